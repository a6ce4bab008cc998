//! The direction of imports: a module may use those below it, never back up.

#![allow(clippy::unwrap_used)] // a test that cannot go on fails

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What each module may use beside itself. `address` is shared by all, `courtesy` by all that start threads.
fn allowed() -> BTreeMap<&'static str, &'static [&'static str]> {
    BTreeMap::from([
        ("address", &[][..]),
        ("courtesy", &[]),
        ("event", &["address"][..]),
        ("protocol", &["address", "event"]),
        ("packet", &["address"]),
        ("capture", &["address"]),
        ("stream", &["address", "packet"]),
        ("policy", &["address", "event"]),
        ("detect", &["address", "event"]),
        ("inventory", &["address", "event"]),
        ("metrics", &["address", "event"]),
        ("alert", &["address", "event", "policy", "detect"]),
        ("output", &["address", "alert", "courtesy", "event", "inventory"]),
        ("store", &["address", "alert", "courtesy", "event", "inventory"]),
        ("web", &["address", "courtesy", "event", "policy", "store", "alert", "inventory", "metrics"]),
        (
            "sensor",
            &[
                "address",
                "alert",
                "capture",
                "courtesy",
                "detect",
                "event",
                "inventory",
                "metrics",
                "output",
                "packet",
                "policy",
                "protocol",
                "store",
                "stream",
                "web",
            ],
        ),
    ])
}

/// Modules that the top of the house may use: all of them.
const TOP: [&str; 2] = ["cli", "main"];

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
}

/// The module of the house that a file belongs to.
fn room(src: &Path, file: &Path) -> String {
    let first = file.strip_prefix(src).unwrap().components().next().unwrap();
    first.as_os_str().to_string_lossy().trim_end_matches(".rs").to_owned()
}

/// The modules of the crate that a text names, after `crate::`.
fn used(text: &str) -> Vec<String> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    let mut out = Vec::new();
    for line in code {
        for after in line.split("crate::").skip(1) {
            let names = match after.strip_prefix('{') {
                Some(list) => list.split('}').next().unwrap_or(list).split(',').collect(),
                None => vec![after],
            };
            for name in names {
                let name: String =
                    name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                out.push(name);
            }
        }
    }
    out
}

#[test]
fn no_module_imports_against_the_design() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let allowed = allowed();
    let mut files = Vec::new();
    sources(&src, &mut files);
    assert!(files.len() > 40, "found only {} files", files.len());
    let mut wrong = Vec::new();
    for file in &files {
        let room = room(&src, file);
        if room == "lib" || TOP.contains(&room.as_str()) {
            continue;
        }
        let may = allowed.get(room.as_str());
        let may = may.unwrap_or_else(|| panic!("{room} is not in the design's table"));
        for name in used(&std::fs::read_to_string(file).unwrap()) {
            if name != room && !may.contains(&name.as_str()) && name != "tests" {
                wrong.push(format!("{}: {room} may not use {name}", file.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn the_reader_of_imports_sees_them() {
    assert_eq!(
        used("use crate::{policy::Rule, event};\n// use crate::web\nlet x = crate::alert::f();"),
        ["policy", "event", "alert"]
    );
}
