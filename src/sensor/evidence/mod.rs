//! Evidence: the packets of an alert's conversation, before it and after it.
//!
//! Flows in: every decoded packet with the mark of its conversation, into a ring of what was seen last; and word of each
//! alert that begins or grows. Flows out: a bundle for each alert to the shelf ([`crate::output::evidence`]), once enough
//! packets have followed, ten seconds have passed, or the traffic has ended.
//!
//! Everything here follows from the packets, their order and their times, so that a replay keeps the same evidence
//! however many workers it has. What is refused at a bound is counted; the alert goes out all the same.

mod marks;
mod ring;
mod roll;

pub(super) use marks::{Marker, Marks};
pub(super) use roll::{Roll, Rolls};

use crate::address::Timestamp;
use crate::alert::Alert;
use crate::capture::Frame;
use crate::event::Flow;
use crate::output::evidence::{Bundle, Head, Remark, Shelf, Stored};
use ring::Ring;
use std::collections::HashMap;
use ulid::Ulid;

/// How long packets are awaited after the one that raised the alert, in nanoseconds.
const PATIENCE: i64 = 10_000_000_000;
/// Alerts whose packets are gathered at once.
const AT_ONCE: usize = 256;
/// Octets of packets up to and with the one that raised the alert, and as many after it.
const HALF: usize = 384 << 10;
/// Octets gathered over all alerts from which on no other begins; where it is twice as many, none gets more.
const ROOM: usize = 32 << 20;
/// A minute, in nanoseconds.
const MINUTE: u64 = 60_000_000_000;
/// Datagrams whose fragments are remembered; where there are more, they are forgotten.
const DATAGRAMS: usize = 1024;
/// Places in the quick look-up of marks that are gathered.
const SLOTS: usize = 1024;

/// How much evidence is kept of an alert.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keeping {
    /// Packets up to and with the one that raised the alert.
    pub before: usize,
    /// Packets after it.
    pub after: usize,
    /// Octets of memory for the packets seen last.
    pub ring: usize,
    /// Alerts whose evidence begins within a minute.
    pub per_minute: u32,
}

impl Default for Keeping {
    fn default() -> Self {
        Keeping { before: 16, after: 16, ring: 8 << 20, per_minute: 600 }
    }
}

/// What became of evidence so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counts {
    /// Files written.
    pub written: u64,
    /// Files removed to stay within the folder's bounds.
    pub removed: u64,
    /// Alerts without evidence, in the order of [`Counts::REASONS`].
    pub lost: [u64; 5],
}

impl Counts {
    /// Why an alert has no evidence, as metrics and summaries say it.
    pub const REASONS: [(&'static str, &'static str); 5] = [
        ("at-once", "too many alerts at once"),
        ("rate", "too many alerts in a minute"),
        ("out-of-reach", "their packets were no longer in memory"),
        ("queue", "the disk was behind"),
        ("write", "their files could not be written"),
    ];

    /// Reasons that occurred, as a word, in words, and how often.
    pub fn losses(&self) -> impl Iterator<Item = (&'static str, &'static str, u64)> {
        let reasons = Counts::REASONS.into_iter().zip(self.lost);
        reasons.map(|((word, words), count)| (word, words, count)).filter(|(_, _, count)| *count > 0)
    }
}

/// An alert whose packets are still coming.
struct Gathering {
    mark: u64,
    /// The last moment of packets that are taken, in nanoseconds.
    until: i64,
    /// How many more are taken.
    left: usize,
    /// From which octet on there is no room.
    full: usize,
    bundle: Bundle,
}

impl Gathering {
    /// Adds a packet, with its place in the order of all; `false` where it does not fit.
    fn add(&mut self, order: u64, frame: &Frame<'_>, remark: Remark) -> bool {
        let Bundle { heads, octets, .. } = &mut self.bundle;
        if octets.len() + frame.data.len() > self.full {
            return false;
        }
        octets.extend_from_slice(frame.data);
        heads.push(Head {
            nanos: frame.ts.nanos,
            number: frame.number,
            source: frame.source,
            link: link(frame),
            wire_len: frame.wire_len,
            order,
            octets: octets.len() - frame.data.len()..octets.len(),
            remark,
        });
        true
    }
}

/// A frame's link type; what cannot be decoded is not kept, so all that are have a small number.
fn link(frame: &Frame<'_>) -> u16 {
    u16::try_from(frame.link.number()).unwrap_or(u16::MAX)
}

/// Keeps what was seen last and gathers the packets of alerts.
pub(super) struct Keeper {
    keeping: Keeping,
    marker: Marker,
    ring: Ring,
    /// In the order in which they began.
    gathering: Vec<Gathering>,
    /// How many are gathered of the marks that share a place.
    slots: Box<[u16; SLOTS]>,
    /// Octets gathered.
    held: usize,
    /// When the time of the first gathering is over.
    next: i64,
    /// Whether one has all its packets.
    complete: bool,
    /// How many fragments came of datagrams that are not whole yet, by their marks.
    fragments: HashMap<u64, usize>,
    /// When the present minute began, and how many began in it.
    minute: (i64, u32),
    at_once: u64,
    rate: u64,
    out_of_reach: u64,
    shelf: Shelf,
}

impl Keeper {
    pub(super) fn new(keeping: Keeping, shelf: Shelf) -> Keeper {
        Keeper {
            keeping,
            marker: Marker::default(),
            ring: Ring::new(keeping.ring),
            gathering: Vec::new(),
            slots: Box::new([0; SLOTS]),
            held: 0,
            next: i64::MAX,
            complete: false,
            fragments: HashMap::new(),
            minute: (i64::MIN, 0),
            at_once: 0,
            rate: 0,
            out_of_reach: 0,
            shelf,
        }
    }

    /// How it tells conversations apart.
    pub(super) fn marker(&self) -> &Marker {
        &self.marker
    }

    /// As [`Keeper::marker`], to show it a fragment.
    pub(super) fn marker_mut(&mut self) -> &mut Marker {
        &mut self.marker
    }

    /// Takes a packet.
    #[inline]
    pub(super) fn packet(&mut self, marks: Marks, frame: &Frame<'_>) {
        if frame.data.len() > ring::LARGEST {
            return;
        }
        if self.complete || frame.ts.nanos > self.next {
            self.close_due(frame.ts);
        }
        let Marks { own, fragments } = marks;
        self.ring.push(own, frame);
        if fragments != 0 {
            return self.around_fragments(marks, frame);
        }
        if self.slots.get(slot(own)).is_some_and(|count| *count > 0) {
            self.gather(own, self.ring.last(), frame);
        }
    }

    /// Takes a packet, which is in the ring, where there were fragments: it may be one, or be made of some.
    #[cold]
    fn around_fragments(&mut self, marks: Marks, frame: &Frame<'_>) {
        let Marks { own, fragments } = marks;
        if own == fragments {
            if self.fragments.len() >= DATAGRAMS {
                self.fragments.clear();
            }
            *self.fragments.entry(fragments).or_default() += 1;
            return;
        }
        let count = self.fragments.remove(&fragments).unwrap_or(0);
        for order in self.ring.mark_anew(fragments, count, own) {
            if let Some(earlier) = self.ring.frame(order) {
                let data = earlier.data.to_vec();
                self.gather(own, order, &Frame { data: &data, ..earlier });
            }
        }
        self.gather(own, self.ring.last(), frame);
    }

    /// Adds a packet to all that gather its conversation.
    #[cold]
    fn gather(&mut self, mark: u64, order: u64, frame: &Frame<'_>) {
        for gathering in self.gathering.iter_mut().filter(|g| g.mark == mark && g.left > 0) {
            let fits = self.held + frame.data.len() <= 2 * ROOM && gathering.add(order, frame, Remark::None);
            gathering.left = if fits { gathering.left - 1 } else { 0 };
            self.held += if fits { frame.data.len() } else { 0 };
            // Not closed yet: what its last packet says may be part of the alert.
            self.complete |= gathering.left == 0;
        }
    }

    /// Begins to gather for an alert; returns where its evidence will be, `None` where there will be none.
    pub(super) fn begins(
        &mut self,
        alert: &Alert,
        flow: &Flow,
        sentence: &dyn Fn() -> String,
    ) -> Option<String> {
        if self.gathering.len() >= AT_ONCE || self.held >= ROOM {
            self.at_once += 1;
            return None;
        }
        if !self.is_in_time(alert.ts) {
            self.rate += 1;
            return None;
        }
        let mark = self.marker.conversation(&flow.src, &flow.dst, flow.transport);
        let Some(mut gathering) = self.reach_back(mark, alert) else {
            self.out_of_reach += 1;
            return None;
        };
        gathering.bundle.sentence = format!("{}: {}", alert.severity.name(), sentence());
        self.held += gathering.bundle.octets.len();
        self.next = self.next.min(gathering.until);
        self.complete |= gathering.left == 0;
        if let Some(count) = self.slots.get_mut(slot(mark)) {
            *count += 1;
        }
        self.gathering.push(gathering);
        Some(self.shelf.path_of(alert.id))
    }

    /// Whether not too many have begun in the present minute.
    fn is_in_time(&mut self, ts: Timestamp) -> bool {
        let (began, count) = &mut self.minute;
        if ts.nanos.abs_diff(*began) >= MINUTE {
            (*began, *count) = (ts.nanos, 0);
        }
        *count = count.saturating_add(1);
        *count <= self.keeping.per_minute
    }

    /// What the ring has of the alert's conversation; `None` where the packet that raised it is not there any more.
    fn reach_back(&self, mark: u64, alert: &Alert) -> Option<Gathering> {
        let Keeping { before, after, .. } = self.keeping;
        let (orders, raised) = self.ring.around(mark, alert.frame, before, after)?;
        let until = self.ring.frame(*orders.get(raised)?)?.ts.nanos.saturating_add(PATIENCE);
        let bundle = Bundle { id: alert.id, sentence: String::new(), heads: Vec::new(), octets: Vec::new() };
        let mut gathering = Gathering { mark, until, left: after, full: HALF, bundle };
        // Where not all fit, those next to the one that raised it are taken.
        let earlier = orders.get(..=raised)?;
        let mut room = HALF;
        let fits = |order: &&u64| {
            let length = self.ring.frame(**order).map_or(0, |frame| frame.data.len());
            room.checked_sub(length).inspect(|left| room = *left).is_some()
        };
        let count = earlier.iter().rev().take_while(fits).count();
        for order in earlier.iter().skip(earlier.len() - count) {
            let remark = if order == earlier.last()? { Remark::Raised } else { Remark::None };
            gathering.add(*order, &self.ring.frame(*order)?, remark);
        }
        gathering.full = gathering.bundle.octets.len() + HALF;
        for order in orders.get(raised + 1..)? {
            let frame = self.ring.frame(*order)?;
            if frame.ts.nanos <= until && gathering.left > 0 {
                let fits = gathering.add(*order, &frame, Remark::None);
                gathering.left = if fits { gathering.left - 1 } else { 0 };
            }
        }
        Some(gathering)
    }

    /// A packet with this number became part of an alert.
    pub(super) fn grows(&mut self, id: Ulid, number: u64) {
        let Some(gathering) = self.gathering.iter_mut().find(|gathering| gathering.bundle.id == id) else {
            return;
        };
        let heads = gathering.bundle.heads.iter_mut();
        if let Some(head) = heads.rev().find(|head| head.number == number)
            && head.remark == Remark::None
        {
            head.remark = Remark::Part;
        }
    }

    /// Ends what has waited long enough by this time.
    pub(super) fn tick(&mut self, now: Timestamp) {
        if self.complete || now.nanos > self.next {
            self.close_due(now);
        }
    }

    #[cold]
    fn close_due(&mut self, now: Timestamp) {
        let due = |gathering: &mut Gathering| gathering.left == 0 || gathering.until < now.nanos;
        for Gathering { mark, mut bundle, .. } in self.gathering.extract_if(.., due) {
            // Fragments are known to be of the conversation only when the last one has come.
            bundle.heads.sort_by_key(|head| head.order);
            self.held -= bundle.octets.len();
            if let Some(count) = self.slots.get_mut(slot(mark)) {
                *count -= 1;
            }
            self.shelf.put(bundle);
        }
        self.complete = false;
        self.next = self.gathering.iter().map(|gathering| gathering.until).min().unwrap_or(i64::MAX);
    }

    /// Ends everything and waits until it is written: the traffic is over.
    pub(super) fn finish(&mut self) {
        self.gathering.iter_mut().for_each(|gathering| gathering.left = 0);
        self.close_due(Timestamp::default());
        self.shelf.finish();
    }

    /// What became of evidence so far.
    pub(super) fn counts(&self) -> Counts {
        let Stored { written, queue, failed, removed } = self.shelf.stored();
        Counts { written, removed, lost: [self.at_once, self.rate, self.out_of_reach, queue, failed] }
    }
}

fn slot(mark: u64) -> usize {
    mark as usize % SLOTS
}
