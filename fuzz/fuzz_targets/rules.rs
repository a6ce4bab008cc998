//! Rule files: read, checked, compiled; and what is wrong with them, said.
//!
//! A line of three number signs begins another file, one layer below. The disk is not read: `include` and `over` name
//! nothing here.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use wayside::event::Vocabulary;
use wayside::policy::{self, Text};
use wayside::protocol::vocabularies;

/// Problems that are drawn as a terminal shows them, of those of one input.
const DRAWN: usize = 2;

static WORDS: LazyLock<Vec<&'static Vocabulary>> = LazyLock::new(vocabularies);

fuzz_target!(|text: &str| {
    let files: Vec<Text> = text
        .split("\n###\n")
        .enumerate()
        .map(|(layer, text)| Text { name: format!("fuzz-{layer}.toml"), text: text.to_owned(), layer })
        .collect();
    let problems = match policy::parse_all(&files, &WORDS) {
        Ok(loaded) => {
            assert!(!loaded.warnings.iter().any(policy::Problem::is_error));
            loaded.warnings
        }
        Err(problems) => {
            assert!(problems.iter().any(policy::Problem::is_error));
            problems
        }
    };
    // Which are drawn differs from input to input.
    let skip = text.len() % (problems.len() + 1);
    for (at, problem) in problems.into_iter().enumerate() {
        let line = problem.one_line();
        assert!(!line.is_empty());
        let _ = (problem.advice(), problem.line(), problem.underlined());
        if (skip..skip + DRAWN).contains(&at) {
            let _ = format!("{:?}", miette::Report::new(problem));
        }
    }
});
