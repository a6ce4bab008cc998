//! What a worker of several finds, written down until its turn comes.

use super::central::{Central, Upstream};
use super::evidence::{Marker, Roll, Rolls};
use super::pipeline::Unspoken;
use crate::address::Timestamp;
use crate::alert::Desk;
use crate::capture::Frame;
use crate::event::{Event, Flow, Kind, Owned};
use crate::output::events::Form;
use crate::output::fold::Folded;
use crate::packet::Packet;
use crate::policy::{Pair, Verdict};
use std::sync::Arc;

/// When something happened: with which packet, or after it at the end of a conversation with this place among those
/// that end. No two workers find anything at the same moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Moment {
    order: u64,
    /// 0 with the packet itself; one more than the list after it.
    ends: u8,
    number: u64,
}

impl Moment {
    /// The moment of this packet.
    pub(super) fn of(order: u64) -> Moment {
        Moment { order, ends: 0, number: 0 }
    }
}

/// What was found.
enum Found {
    /// Lines for the log, up to this place in [`Page::lines`].
    Lines(usize),
    /// A message that the desk should see.
    Judged(Box<(Owned, Verdict)>),
    /// A message to be judged with the memory of all.
    Judge(Box<(Owned, Pair)>),
    /// A conversation in none of our protocols, with what the rules say of it.
    Conversation(Box<(Timestamp, u64, Flow, bool, Verdict)>),
}

/// What one worker found in one round.
#[derive(Default)]
pub(super) struct Page {
    found: Vec<(Moment, Found)>,
    /// Lines for the log.
    lines: Vec<u8>,
    /// Packets, where they are kept.
    roll: Roll,
}

/// What a worker writes down.
pub(super) struct Notes {
    form: Option<Form>,
    /// The capture file of the present frame, where there are several.
    pub(super) file: Option<Arc<str>>,
    /// When what is found next happens.
    pub(super) moment: Moment,
    /// Tells conversations apart, where packets are kept.
    pub(super) marker: Option<Marker>,
    /// Whether it is the first worker's.
    first: bool,
    pub(super) page: Page,
}

impl Notes {
    /// Nothing yet; `form` is how messages are logged, where they are, `first` whether it is the first worker's.
    pub(super) fn new(form: Option<Form>, first: bool) -> Notes {
        Notes { form, first, file: None, moment: Moment::of(0), marker: None, page: Page::default() }
    }

    /// What was added to the lines is found now.
    fn note_lines(&mut self) {
        let end = self.page.lines.len();
        match self.page.found.last_mut() {
            Some((moment, Found::Lines(last))) if *moment == self.moment => *last = end,
            _ => self.note(Found::Lines(end)),
        }
    }

    fn note(&mut self, found: Found) {
        self.page.found.push((self.moment, found));
    }
}

impl Page {
    /// Forgets what was found; its memory stays.
    pub(super) fn clear(&mut self) {
        self.found.clear();
        self.lines.clear();
        self.roll.clear();
    }
}

/// Reads the pages of one round to those whom they concern, in the order in which things happened. `before` is called
/// ahead of each, with the number of the first packet that has not passed by then.
pub(super) fn read(
    pages: &mut [&mut Page],
    central: &mut Central,
    mut before: impl FnMut(&mut Central, u64),
) {
    let (mut turns, mut rolls) = (Vec::new(), Vec::new());
    for Page { found, lines, roll } in pages.iter_mut().map(|page| &mut **page) {
        turns.push((found.drain(..).peekable(), lines.as_slice(), 0));
        rolls.push(&*roll);
    }
    let mut rolls = Rolls::new(rolls.into_iter());
    let mut runs: Vec<&[u8]> = Vec::new();
    loop {
        let next = turns.iter_mut().enumerate().filter_map(|(at, (found, ..))| Some((found.peek()?.0, at)));
        let Some((moment, at)) = next.min() else { break };
        rolls.up_to(moment.order, |marks, frame| central.marked(marks, frame));
        before(central, moment.order + u64::from(moment.ends > 0));
        let Some((found, lines, from)) = turns.get_mut(at) else { break };
        while let Some((_, what)) = found.next_if(|(other, _)| *other == moment) {
            match what {
                Found::Lines(to) => {
                    runs.push(lines.get(*from..to).unwrap_or_default());
                    *from = to;
                }
                Found::Judged(judged) => judged.0.with(|event| central.judged(event, Some(&judged.1))),
                Found::Judge(judge) => judge.0.with(|event| central.judge(event, &judge.1)),
                Found::Conversation(conversation) => {
                    let (ts, frame, flow, client_known, verdict) = &*conversation;
                    let (ts, frame, client_known) = (*ts, *frame, *client_known);
                    central.conversation(&Unspoken { ts, frame, flow, client_known }, Some(verdict));
                }
            }
        }
    }
    rolls.up_to(u64::MAX, |marks, frame| central.marked(marks, frame));
    central.lines(&runs);
}

impl Upstream for Notes {
    fn ends(&mut self, turn: (u8, u64)) {
        self.moment = Moment { ends: turn.0.saturating_add(1), number: turn.1, ..self.moment };
    }

    #[inline]
    fn packet(&mut self, frame: &Frame<'_>, packet: &Packet<'_>) {
        if let Some(marker) = &self.marker {
            self.page.roll.push(self.moment.order, marker.packet(packet), frame);
        }
    }

    fn fragment(&mut self, frame: &Frame<'_>, fragment: &Packet<'_>) {
        if let Some(marker) = &mut self.marker {
            let marks = marker.fragment(fragment);
            // Every worker puts fragments together; the first keeps them for all.
            if self.first {
                self.page.roll.push(self.moment.order, marks, frame);
            }
        }
    }

    fn log(&mut self, event: &Event<'_>) {
        let Some(form) = self.form else { return };
        form.write(event, self.file.as_deref(), &mut self.page.lines);
        self.note_lines();
    }

    fn folds(&self) -> bool {
        self.form == Some(Form::Folded)
    }

    fn folded(&mut self, folded: &Folded<'_>) {
        folded.write_json(self.file.as_deref(), &mut self.page.lines);
        self.page.lines.push(b'\n');
        self.note_lines();
    }

    fn judged(&mut self, event: &Event<'_>, verdict: Option<&Verdict>) {
        if let Some(verdict) = verdict.filter(|verdict| Desk::concerns(event, verdict)) {
            self.note(Found::Judged(Box::new((Owned::whole(event), *verdict))));
        }
    }

    fn judge(&mut self, event: &Event<'_>, pair: &Pair) {
        // What answers a request that was seen is not judged: no alert will show it.
        let shown = event.kind != Kind::Response || event.request.is_none();
        let own = if shown { Owned::whole(event) } else { event.into() };
        self.note(Found::Judge(Box::new((own, pair.clone()))));
    }

    fn conversation(&mut self, seen: &Unspoken<'_>, verdict: Option<&Verdict>) {
        if let Some(verdict @ (Verdict::Denied { .. } | Verdict::NotAllowed { .. })) = verdict {
            let Unspoken { ts, frame, flow, client_known } = *seen;
            self.note(Found::Conversation(Box::new((ts, frame, flow.clone(), client_known, *verdict))));
        }
    }
}
