//! `wayside learn`: the allowlist of what was seen, in captures or on an interface.

use super::terminal::{self, grouped};
use super::{Failure, Outcome};
use crate::alert::{Desk, Grouping};
use crate::capture::{Files, Interface, Live, Next, drop_privileges};
use crate::event::Event;
use crate::policy::learn::{Base, Learned, Learner, Options, Slack};
use crate::policy::{self, RuleSet, Verdict};
use crate::sensor::pipeline::{self, Observer, Parts, Pipeline, Unspoken};
use crate::stream::Limits;
use indicatif::ProgressBar;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Arguments of `wayside learn`.
#[derive(clap::Args, Debug)]
pub struct Arguments {
    /// Captures (pcap or pcapng, plain, .gz or .zst), folders of them, or - for standard input.
    #[arg(required_unless_present = "interface", value_name = "FILE|FOLDER")]
    files: Vec<PathBuf>,

    /// Learn from what this interface sees, until --for is over or Ctrl-C.
    #[arg(long, short, value_name = "IFACE", conflicts_with = "files")]
    interface: Option<String>,

    /// How long to learn from the interface: 90s, 30m, 12h, 14d. A week has a Sunday in it, a month has a maintenance.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,

    /// The rule file to write; - is standard output. Where it is there already, only what its rules do not allow is
    /// added to it; what it says and its comments stay.
    #[arg(long, short, value_name = "FILE")]
    output: PathBuf,

    /// Other rule files or folders of the same rule set: what they allow is not learned, their names are used.
    #[arg(long, value_name = "PATH")]
    rules: Vec<PathBuf>,

    /// Let points and values go beyond what was seen, at each end: by so many (5), or by so much of the run (10%).
    #[arg(long, value_name = "N|N%", default_value = "0", value_parser = slack)]
    slack: Slack,

    /// No progress and no summary.
    #[arg(long, short)]
    quiet: bool,
}

fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "a number and a unit: 90s, 30m, 12h or 14d".to_owned();
    let unit = text.chars().last().ok_or_else(wrong)?;
    let seconds = match unit {
        's' => 1u64,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number =
        text.get(..text.len() - 1).and_then(|number| number.parse::<u64>().ok()).ok_or_else(wrong)?;
    let whole = number.checked_mul(seconds).filter(|seconds| *seconds > 0).ok_or_else(wrong)?;
    Ok(Duration::from_secs(whole))
}

fn slack(text: &str) -> Result<Slack, String> {
    let wrong = || "a number of points (5), or percent of what was seen (10%)".to_owned();
    let (number, percent) = text.strip_suffix('%').map_or((text, false), |number| (number, true));
    match (number.trim().parse::<u32>().map_err(|_| wrong())?, percent) {
        (0, _) => Ok(Slack::None),
        (number, true) => Ok(Slack::Percent(number)),
        (number, false) => Ok(Slack::Points(number)),
    }
}

/// What there is before learning.
struct Before {
    /// The text of the output, where it is there.
    text: Option<String>,
    /// The texts of the other files, with their names.
    others: Vec<policy::Text>,
    rules: Option<Arc<RuleSet>>,
}

/// Learns and writes.
///
/// # Errors
/// One sentence: a file that cannot be read or written, rules that are wrong, an interface that cannot be had.
pub fn run(arguments: &Arguments) -> Outcome {
    if arguments.time.is_some() && arguments.interface.is_none() {
        return Err(Failure::usage("--for goes with --interface; a capture is learned from as a whole"));
    }
    let before = before(arguments)?;
    let options = Options { slack: arguments.slack, ..Options::default() };
    let learner = Arc::new(Mutex::new(Learner::new(options, before.rules.clone())));
    let mut pipeline = Pipeline::new(Parts {
        flows: Limits::default(),
        fragments: 16 << 20,
        tally: pipeline::tally(None),
        rules: before.rules.clone(),
        desk: Desk::new(Grouping::Final, "learn"),
        emit: Box::new(|_| {}),
        events: None,
    });
    pipeline.observe(Box::new(Watching(learner.clone())));
    match &arguments.interface {
        Some(name) => listen(name, arguments, &mut pipeline, &learner)?,
        None => read(arguments, &mut pipeline, &learner)?,
    }
    // Without an event log there is nothing to fail.
    let _ = pipeline.finish();
    if let (_, _, Some((first, last))) = pipeline.totals() {
        lock(&learner).traffic(first, last);
    }
    let texts: Vec<String> = before.others.iter().map(|other| other.text.clone()).collect();
    let base = Base { text: before.text.as_deref(), others: &texts };
    let learned = lock(&learner)
        .write(&base)
        .map_err(|error| Failure::usage(format!("cannot add to {}: {error}", arguments.output.display())))?;
    check(&learned, &before, &arguments.output)?;
    let changed = before.text.as_ref() != Some(&learned.text);
    if changed {
        save(&arguments.output, &learned.text)?;
    }
    if !arguments.quiet {
        summary(&learned, &mut pipeline, arguments, changed);
    }
    Ok(ExitCode::SUCCESS)
}

/// Hands what the pipeline judges to the learner.
struct Watching(Arc<Mutex<Learner>>);

fn lock(learner: &Mutex<Learner>) -> MutexGuard<'_, Learner> {
    learner.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Observer for Watching {
    fn event(&mut self, event: &Event<'_>, verdict: Option<&Verdict>) {
        lock(&self.0).event(event, verdict);
    }

    fn conversation(&mut self, seen: &Unspoken<'_>, verdict: Option<&Verdict>) {
        lock(&self.0).conversation(seen.ts, seen.frame, seen.flow, seen.client_known, verdict);
    }
}

/// Reads the rules that are there.
fn before(arguments: &Arguments) -> Result<Before, Failure> {
    let output = &arguments.output;
    let is_output = |name: &str| match (Path::new(name).canonicalize(), output.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    };
    let wrong = |problems: Vec<policy::Problem>| {
        super::rules::show(&problems);
        Failure::usage("the rules that are there have errors; nothing was learned")
    };
    let mut others = policy::read_all(&arguments.rules).map_err(wrong)?;
    others.retain(|text| !is_output(&text.name));
    let own = if output.as_os_str() != "-" && output.exists() {
        policy::read_all(std::slice::from_ref(output)).map_err(wrong)?
    } else {
        Vec::new()
    };
    if output.is_dir() {
        return Err(Failure::usage(format!("{} is a folder; name a file in it", output.display())));
    }
    let all: Vec<policy::Text> = others.iter().chain(&own).cloned().collect();
    let rules = if all.is_empty() {
        None
    } else {
        let loaded = policy::parse_all(&all, &crate::protocol::vocabularies()).map_err(wrong)?;
        Some(Arc::new(loaded.rules))
    };
    // The file itself comes first, then what it includes.
    let mut own = own.into_iter();
    let text = own.next().map(|own| own.text);
    others.extend(own);
    Ok(Before { text, others, rules })
}

/// The name of a capture without its folder.
fn short(name: &str) -> String {
    Path::new(name).file_name().map_or(name.to_owned(), |name| name.to_string_lossy().into_owned())
}

fn read(arguments: &Arguments, pipeline: &mut Pipeline, learner: &Mutex<Learner>) -> Result<(), Failure> {
    let mut files = Files::open(&arguments.files).map_err(Failure::failed)?;
    let names: Vec<String> = files.names().iter().map(|name| short(name)).collect();
    names.iter().for_each(|name| lock(learner).set_source(name));
    let bar = terminal::progress(files.progress().1, !arguments.quiet);
    let (mut source, mut count) = (u16::MAX, 0u64);
    while let Some(frame) = files.next().map_err(Failure::failed)? {
        if frame.source != source {
            source = frame.source;
            if let Some(name) = names.get(usize::from(source)) {
                lock(learner).set_source(name);
            }
        }
        pipeline.frame(&frame);
        count += 1;
        if count.is_multiple_of(65_536)
            && let Some(bar) = &bar
        {
            bar.set_position(files.progress().0);
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    files.notices().iter().for_each(|notice| eprintln!("wayside: {notice}"));
    Ok(())
}

/// Learns from an interface until the time is over or a signal comes.
fn listen(
    name: &str,
    arguments: &Arguments,
    pipeline: &mut Pipeline,
    learner: &Mutex<Learner>,
) -> Result<(), Failure> {
    let stop = super::run::stop_on_signals()?;
    let mut live = Live::open(&Interface::new(name)).map_err(Failure::failed)?;
    // It would be a pity to find out in two weeks.
    check_writable(&arguments.output)?;
    if let Some(warning) = drop_privileges() {
        tracing::warn!("{warning}");
    }
    lock(learner).set_source(name);
    let show = !arguments.quiet;
    if show {
        let until = arguments.time.map_or("until Ctrl-C".to_owned(), |time| format!("for {}", spoken(time)));
        eprintln!("wayside: learning from {name} {until}; the rules are written at the end");
    }
    let bar = (show && std::io::stderr().is_terminal()).then(ProgressBar::new_spinner);
    let (began, mut told) = (Instant::now(), Instant::now());
    while !stop.is_set() && arguments.time.is_none_or(|time| began.elapsed() < time) {
        match live.next().map_err(Failure::failed)? {
            Next::Frame(frame) => pipeline.frame(&frame),
            Next::Idle => {}
            Next::End => break,
        }
        if told.elapsed() >= Duration::from_secs(1) {
            told = Instant::now();
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let nanos = i64::try_from(since.as_nanos()).unwrap_or(i64::MAX);
            pipeline.tick(crate::address::Timestamp::from_nanos(nanos));
            if let Some(bar) = &bar {
                let left = arguments.time.map_or(String::new(), |time| {
                    format!(", {} to go", spoken(time.saturating_sub(began.elapsed())))
                });
                bar.set_message(format!("{} packets{left}", grouped(pipeline.totals().0)));
                bar.tick();
            }
        }
    }
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if let Ok(stats) = live.stats()
        && stats.dropped_by_kernel > 0
    {
        let lost = grouped(stats.dropped_by_kernel);
        eprintln!(
            "wayside: {lost} packets came faster than they could be read; what was in them is not learned"
        );
    }
    Ok(())
}

/// A time as a person says it: "13 d 4 h".
fn spoken(time: Duration) -> String {
    let seconds = time.as_secs();
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min"),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

fn check_writable(output: &Path) -> Result<(), Failure> {
    if output.as_os_str() == "-" {
        return Ok(());
    }
    let folder = folder_of(output);
    tempfile_in(&folder, output).map(|path| drop(std::fs::remove_file(path)))
}

fn folder_of(output: &Path) -> PathBuf {
    match output.parent() {
        Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
        Some(folder) => folder.to_owned(),
        None => PathBuf::from("."),
    }
}

/// Makes an empty file beside the output, to be renamed to it.
fn tempfile_in(folder: &Path, output: &Path) -> Result<PathBuf, Failure> {
    let name = output.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let path = folder.join(format!(".{name}.{}", std::process::id()));
    match std::fs::File::create(&path) {
        Ok(_) => Ok(path),
        Err(error) => Err(Failure::failed(format!("cannot write {}: {error}", output.display()))),
    }
}

/// The rules must load: a file that does not is never written.
fn check(learned: &Learned, before: &Before, output: &Path) -> Result<(), Failure> {
    let mut all = before.others.clone();
    all.push(policy::Text { name: output.display().to_string(), text: learned.text.clone(), layer: 0 });
    match policy::parse_all(&all, &crate::protocol::vocabularies()) {
        Ok(_) => Ok(()),
        Err(problems) => {
            super::rules::show(&problems);
            Err(Failure::failed("what was learned is no valid rule file, so nothing was written"))
        }
    }
}

/// Writes the file as a whole or not at all.
fn save(output: &Path, text: &str) -> Result<(), Failure> {
    if output.as_os_str() == "-" {
        print!("{text}");
        return Ok(());
    }
    let target = output.canonicalize().unwrap_or_else(|_| output.to_owned());
    let path = tempfile_in(&folder_of(&target), &target)?;
    let written = std::fs::write(&path, text).and_then(|()| {
        if let Ok(old) = std::fs::metadata(&target) {
            std::fs::set_permissions(&path, old.permissions())?;
        }
        std::fs::rename(&path, &target)
    });
    written.map_err(|error| {
        let _ = std::fs::remove_file(&path);
        Failure::failed(format!("cannot write {}: {error}", output.display()))
    })
}

fn summary(learned: &Learned, pipeline: &mut Pipeline, arguments: &Arguments, changed: bool) {
    let (packets, ..) = pipeline.totals();
    let s = |number: u64| if number == 1 { "" } else { "s" };
    let output = match arguments.output.to_string_lossy() {
        name if name == "-" => "standard output".into(),
        name => name,
    };
    eprint!("{} packets: ", grouped(packets));
    if changed {
        let rules = learned.rules as u64;
        let hosts = learned.hosts as u64;
        eprintln!(
            "{} rule{} and {} host{} went to {output}",
            grouped(rules),
            s(rules),
            grouped(hosts),
            s(hosts)
        );
    } else {
        eprintln!("nothing new, {output} stays as it is");
    }
    if learned.under_review > 0 {
        eprintln!(
            "  {} message{s} or conversation{s} put aside as doubtful: they raise alerts until you allow them; look \
             for \"## review\" in {output}",
            grouped(learned.under_review),
            s = s(learned.under_review),
        );
    }
    if learned.denied > 0 {
        eprintln!("  {} broke a deny rule and were not learned", grouped(learned.denied));
    }
    let lost = learned.left_out.messages + learned.left_out.conversations;
    if lost > 0 {
        eprintln!(
            "  {} were not learned for lack of room: more hosts or points than can be remembered",
            grouped(lost)
        );
    }
}
