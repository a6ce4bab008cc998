//! Captures as questions to rules: everything in them that can be judged, one after the other.

use super::super::Failure;
use crate::alert::{Desk, Grouping};
use crate::capture::Files;
use crate::event::{Event, Flow, PointRange};
use crate::policy::explain::{self, Explained};
use crate::policy::{End, Memory, RuleSet, Verdict, said};
use crate::sensor::pipeline::{self, Observer, Parts, Pipeline, Unspoken};
use crate::stream::Limits;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

/// A message or a conversation that rules are asked about.
#[derive(Clone, Copy)]
pub enum Asked<'a> {
    /// A message of a control protocol.
    Message(&'a Event<'a>),
    /// A conversation of none.
    Conversation(Unspoken<'a>),
}

impl<'a> Asked<'a> {
    /// The number of its packet.
    pub fn frame(self) -> u64 {
        match self {
            Asked::Message(event) => event.frame,
            Asked::Conversation(seen) => seen.frame,
        }
    }

    /// Who speaks to whom.
    pub fn flow(self) -> &'a Flow {
        match self {
            Asked::Message(event) => event.flow,
            Asked::Conversation(seen) => seen.flow,
        }
    }

    /// Judges it.
    pub fn judge(self, rules: &RuleSet, memory: &mut Memory) -> Verdict {
        match self {
            Asked::Message(event) => rules.judge(&rules.pair(event.flow, event.proto), event, memory),
            Asked::Conversation(seen) if seen.client_known => {
                rules.judge_conversation(seen.flow, seen.ts, memory)
            }
            Asked::Conversation(seen) => rules.judge_picked_up(seen.flow, seen.ts, memory),
        }
    }

    /// Says how every rule meets it; to be asked before it is judged.
    pub fn explain(self, rules: &RuleSet, memory: &mut Memory) -> Explained {
        match self {
            Asked::Message(event) => explain::explain(rules, event, memory),
            Asked::Conversation(seen) => {
                explain::explain_conversation(rules, seen.flow, seen.ts, seen.client_known)
            }
        }
    }

    /// The sentence that an alert of it has, where its verdict makes one.
    pub fn summary(self, rules: &RuleSet, verdict: &Verdict) -> Option<String> {
        let mut summary = None;
        let mut desk = Desk::new(Grouping::None, "rules");
        let mut emit = |alert: crate::alert::Alert| summary = Some(alert.summary);
        match self {
            Asked::Message(event) => desk.event(event, verdict, rules, &mut emit),
            Asked::Conversation(Unspoken { ts, frame, flow, .. }) => {
                desk.conversation(ts, frame, flow, verdict, rules, &mut emit);
            }
        }
        summary
    }

    /// What it is, in the words of a question about it.
    pub fn words(self, rules: &RuleSet) -> Words {
        let flow = self.flow();
        let (src, dst) = (said::end(rules, End::sender(flow)), said::end(rules, End::receiver(flow)));
        match self {
            Asked::Message(event) => {
                Words { src, dst, protocol: event.proto.name, verb: event.verb.name(), points: points(event) }
            }
            Asked::Conversation(..) => Words {
                src,
                dst,
                protocol: said::transport(flow),
                verb: "",
                points: if flow.dst.port == 0 { String::new() } else { flow.dst.port.to_string() },
            },
        }
    }
}

/// What a message is, in words: what it is grouped by.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Words {
    /// Who sends.
    pub src: String,
    /// Who receives.
    pub dst: String,
    /// The protocol.
    pub protocol: &'static str,
    /// The verb; empty for other traffic.
    pub verb: &'static str,
    /// The points, or the port of other traffic.
    pub points: String,
}

/// `laptop-7 modbus write holding:101 -> plc-3`
impl std::fmt::Display for Words {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Words { src, dst, protocol, verb, points } = self;
        write!(f, "{src} {protocol}")?;
        for word in [*verb, points.as_str()].into_iter().filter(|word| !word.is_empty()) {
            write!(f, " {word}")?;
        }
        write!(f, " -> {dst}")
    }
}

/// Runs of points that are shown.
const SHOWN: usize = 3;
/// Runs of points that are kept of a group of messages.
const KEPT: usize = 64;

/// The points of a message.
fn points(event: &Event<'_>) -> String {
    let mut points = Points::default();
    event.points.iter().for_each(|range| points.add(event, range));
    points.to_string()
}

/// Runs of points, those that touch as one. Displays the first three: `holding:0-9 coil:3 and 2 more`.
#[derive(Default)]
pub struct Points(Vec<(String, u32, u32)>);

impl Points {
    /// Adds the points of a message.
    pub fn gather(&mut self, asked: Asked<'_>) {
        if let Asked::Message(event) = asked {
            event.points.iter().for_each(|range| self.add(event, range));
        }
    }

    fn add(&mut self, event: &Event<'_>, range: &PointRange) {
        let space = event.proto.space_name(range.space).to_string();
        let (mut first, mut last) = (range.first, range.last.max(range.first));
        // What touches the new run becomes a part of it.
        self.0.retain(|(own, from, to)| {
            let touches = *own == space && *from <= last.saturating_add(1) && first <= to.saturating_add(1);
            if touches {
                (first, last) = (first.min(*from), last.max(*to));
            }
            !touches
        });
        if self.0.len() < KEPT {
            self.0.push((space, first, last));
        }
    }

    /// The kinds of point alone: `holding coil`.
    pub fn spaces(&self) -> String {
        let mut spaces: Vec<&str> = self.0.iter().map(|(space, _, _)| space.as_str()).collect();
        spaces.dedup();
        spaces.join(" ")
    }
}

impl std::fmt::Display for Points {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (at, (space, first, last)) in self.0.iter().take(SHOWN).enumerate() {
            let between = if at == 0 { "" } else { " " };
            match (*first, *last) {
                (0, u32::MAX) => write!(f, "{between}{space}:*")?,
                (first, last) if first == last => write!(f, "{between}{space}:{first}")?,
                (first, last) => write!(f, "{between}{space}:{first}-{last}")?,
            }
        }
        match self.0.len().saturating_sub(SHOWN) {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

/// What is shown, what becomes of it, and the file that it is in.
struct Watching<S> {
    shared: Arc<Mutex<(S, Option<Arc<str>>)>>,
    see: fn(&mut S, Asked<'_>, Option<&str>),
}

impl<S> Watching<S> {
    fn show(&self, asked: Asked<'_>) {
        let (state, file) = &mut *self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        (self.see)(state, asked, file.as_deref());
    }
}

impl<S: Send> Observer for Watching<S> {
    fn event(&mut self, event: &Event<'_>, _: Option<&Verdict>) {
        self.show(Asked::Message(event));
    }

    fn conversation(&mut self, seen: &Unspoken<'_>, _: Option<&Verdict>) {
        self.show(Asked::Conversation(*seen));
    }
}

/// Shows everything in captures that can be judged to `see`, with the name of its file where there are several, and
/// returns what it made of it.
///
/// # Errors
/// A capture that cannot be read.
pub fn watch<S: Send + 'static>(
    files: &[PathBuf],
    state: S,
    see: fn(&mut S, Asked<'_>, Option<&str>),
) -> Result<Option<S>, Failure> {
    let mut files = Files::open(files).map_err(Failure::failed)?;
    let names: Vec<Arc<str>> = files.names().iter().map(|name| name.as_str().into()).collect();
    let shared = Arc::new(Mutex::new((state, None::<Arc<str>>)));
    let mut pipeline = Pipeline::new(Parts {
        flows: Limits::default(),
        fragments: 16 << 20,
        tally: pipeline::tally(None),
        rules: None,
        desk: Desk::new(Grouping::None, "rules"),
        emit: Box::new(|_| {}),
        events: None,
    });
    pipeline.observe(Box::new(Watching { shared: shared.clone(), see }));
    let mut source = u16::MAX;
    while let Some(frame) = files.next().map_err(Failure::failed)? {
        if frame.source != source && names.len() > 1 {
            source = frame.source;
            let name = names.get(usize::from(source)).cloned();
            shared.lock().unwrap_or_else(PoisonError::into_inner).1 = name;
        }
        pipeline.frame(&frame);
    }
    pipeline.finish().map_err(Failure::failed)?;
    drop(pipeline);
    for notice in files.notices() {
        eprintln!("wayside: {notice}");
    }
    let inner =
        Arc::into_inner(shared).map(|shared| shared.into_inner().unwrap_or_else(PoisonError::into_inner));
    Ok(inner.map(|(state, _)| state))
}
