//! A rule file: read, checked, compiled; and what is wrong with it, said.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wayside::policy;
use wayside::protocol::vocabularies;

fuzz_target!(|text: &str| {
    let problems = match policy::parse("fuzz.toml", text, &vocabularies()) {
        Ok(loaded) => {
            assert!(!loaded.warnings.iter().any(policy::Problem::is_error));
            loaded.warnings
        }
        Err(problems) => {
            assert!(problems.iter().any(policy::Problem::is_error));
            problems
        }
    };
    for problem in problems {
        assert!(!problem.one_line().is_empty());
        let _ = (problem.advice(), problem.line(), problem.underlined());
        // As a terminal shows it, with a picture of its line.
        let _ = format!("{:?}", miette::Report::new(problem));
    }
});
