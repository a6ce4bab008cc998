//! Loads rules again when asked (SIGHUP) or when a file of theirs changes. Bad rules never replace good ones.

use super::live::Stop;
use crate::policy::{self, RuleSet, Text};
use crate::protocol;
use notify::{RecursiveMode, Watcher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// How often signals and changes are looked at. Several changes within this time are one.
const PAUSE: Duration = Duration::from_millis(250);

/// What came of an attempt to load rules.
pub enum Change {
    /// These are to be in force; with the files that they come from.
    Rules(Arc<RuleSet>, Vec<Text>),
    /// They have errors; those in force stay.
    Refused,
}

/// Starts the thread that watches the rule files; `None` where there are none to watch.
pub fn start(paths: Vec<PathBuf>, changes: Sender<Change>, stop: Stop) -> Option<JoinHandle<()>> {
    if paths.is_empty() {
        return None;
    }
    let asked = Arc::new(AtomicBool::new(false));
    if let Err(error) = signal_hook::flag::register(signal_hook::consts::SIGHUP, asked.clone()) {
        tracing::warn!("cannot listen for SIGHUP: {error}");
    }
    let run = move || {
        let _watcher = watch(&paths, asked.clone());
        while !stop.is_set() {
            thread::sleep(PAUSE);
            if asked.swap(false, Ordering::Relaxed) {
                // Let an editor finish writing.
                thread::sleep(PAUSE);
                asked.store(false, Ordering::Relaxed);
                if changes.send(load(&paths)).is_err() {
                    return;
                }
            }
        }
    };
    thread::Builder::new().name("rules".into()).spawn(run).ok()
}

fn load(paths: &[PathBuf]) -> Change {
    let read = policy::read_all(paths)
        .and_then(|files| Ok((policy::parse_all(&files, &protocol::vocabularies())?, files)));
    match read {
        Ok((loaded, files)) => {
            eprintln!("wayside: rules loaded again: {} in force", loaded.rules.rules().len());
            Change::Rules(Arc::new(loaded.rules), files)
        }
        Err(problems) => {
            eprintln!("wayside: the changed rules have errors; those in force stay:");
            for problem in problems.iter().filter(|problem| problem.is_error()) {
                eprintln!("wayside: {}", problem.one_line());
            }
            Change::Refused
        }
    }
}

/// Watches the folders of the rule files: editors replace files rather than write into them.
fn watch(paths: &[PathBuf], asked: Arc<AtomicBool>) -> Option<notify::RecommendedWatcher> {
    let real = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
    let ours: Vec<PathBuf> = paths.iter().map(real).collect();
    let concerns = move |path: &PathBuf| {
        let rules = path.extension().is_some_and(|extension| extension == "toml");
        rules && ours.iter().any(|our| path.starts_with(our))
    };
    let changed = move |event: notify::Result<notify::Event>| {
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(&concerns)) {
            asked.store(true, Ordering::Relaxed);
        }
    };
    let mut watcher = match notify::recommended_watcher(changed) {
        Ok(watcher) => watcher,
        Err(error) => {
            tracing::warn!("cannot watch the rule files: {error}; send SIGHUP after a change");
            return None;
        }
    };
    for path in paths {
        let real = path.canonicalize().unwrap_or_else(|_| path.clone());
        let folder = if real.is_dir() { real.as_path() } else { real.parent().unwrap_or(Path::new("/")) };
        if let Err(error) = watcher.watch(folder, RecursiveMode::NonRecursive) {
            tracing::warn!("cannot watch {}: {error}; send SIGHUP after a change", folder.display());
        }
    }
    Some(watcher)
}
