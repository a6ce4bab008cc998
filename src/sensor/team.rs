//! Several workers, and one who listens to what they found.
//!
//! ```text
//!        /--> worker 1, for its hosts --\
//! frames ---> worker 2, for its hosts ---> notes, in order --> Central: alerts, expectations, the log
//! ```
//!
//! Every worker sees every frame and takes those of its own hosts: to tell whose a frame is costs less than to carry
//! it to another core. Files each reads for itself; what comes otherwise is shown to all, without a copy for each.
//! Work is cut into rounds, at the same frames for all, and every worker hands in a page for each round. So what was
//! found in a round can be put in order before anybody hears of it, however the threads run.

use super::central::{Central, Upstream, carried};
use super::evidence::{Keeper, Marker};
use super::notes::{self, Moment, Notes, Page};
use super::pipeline::{Counts, Parts, QUIET, Totals};
use super::worker::Worker;
use crate::address::Timestamp;
use crate::capture::{CaptureError, Files, Frame, Link, Passed};
use crate::inventory::{self, Gatherer, Harvest};
use crate::metrics::Tally;
use crate::packet::link::ETHERNET;
use crate::packet::{Decoded, Decoder, route, route_of};
use crate::policy::{Relaxed, RuleSet};
use crate::stream::Limits;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

/// Frames of one round, over all workers.
const ROUND: u64 = QUIET;
/// Rounds under way at a time.
const UNDER_WAY: usize = 8;

/// What a worker is told to do.
#[derive(Clone)]
enum Task {
    /// Take your part of these frames.
    Round(Arc<Round>),
    /// Read files and take your part of them, round after round.
    Read(Arc<Reading>),
}

/// Files that every worker reads for itself.
struct Reading {
    paths: Vec<PathBuf>,
    /// Octets read by the first worker.
    octets: AtomicU64,
    /// Set where nobody hears what is found any more.
    stop: AtomicBool,
}

/// Frames that come from elsewhere than files, and what is to be done after them.
#[derive(Default)]
struct Round {
    heads: Vec<Head>,
    octets: Vec<u8>,
    /// From which frame on, counted over all, which capture file is read.
    files: Vec<(u64, Option<Arc<str>>)>,
    /// Rules to put in force first.
    rules: Option<Option<Arc<RuleSet>>>,
    /// Whether to gather for an inventory from here on, and how much.
    stock: Option<inventory::Limits>,
    /// Whether packets are to be kept from here on, and how conversations are told apart.
    marker: Option<Marker>,
    /// The number of the last frame so far.
    last: u64,
    /// The time by which what is too old is to go.
    quiet: Option<Timestamp>,
    /// Whether to end every conversation.
    finish: bool,
    /// Whether to say what was counted.
    gather: bool,
}

/// One frame of a round.
struct Head {
    order: u64,
    number: u64,
    ts: Timestamp,
    link: Link,
    source: u16,
    wire_len: u32,
    /// Where its octets end.
    end: usize,
}

/// What one worker hands in for a round.
#[derive(Default)]
struct Sheet {
    page: Page,
    /// When the frames happened, where that matters; the first worker tells for all.
    times: Vec<(u64, Timestamp)>,
    files: Vec<(u64, Option<Arc<str>>)>,
    quiet: Option<Timestamp>,
    report: Option<Report>,
    /// The files are at their end.
    end: Option<Box<End>>,
}

/// What a worker has counted.
struct Report {
    counts: Counts,
    tally: Tally,
    hits: Vec<u64>,
    relaxed: Vec<Relaxed>,
    harvest: Option<Harvest>,
}

/// How reading files ended.
struct End {
    result: Result<(), CaptureError>,
    totals: Totals,
    notices: Vec<String>,
}

/// One worker as the one who listens knows it.
struct Hand {
    tasks: SyncSender<Task>,
    sheets: Receiver<Box<Sheet>>,
    /// Sheets that were read, to be used again.
    spare: SyncSender<Box<Sheet>>,
    /// Whether it has come to the end of the files.
    ended: bool,
    thread: JoinHandle<()>,
}

/// Several workers and what concerns them all.
pub(super) struct Team {
    central: Central,
    hands: Vec<Hand>,
    next: Round,
    under_way: usize,
    tally: Tally,
    counts: Counts,
    hits: Vec<u64>,
    relaxed: Vec<Relaxed>,
    harvest: Vec<Harvest>,
}

impl Team {
    pub(super) fn new(parts: Parts, workers: usize) -> io::Result<Team> {
        let Parts { flows, fragments, tally, rules, desk, emit, events } = parts;
        let central = Central::new(desk, emit, events);
        // Rounded up: a bound is never met earlier than it would be by one worker, where hosts are evenly shared.
        let share = |all: usize| all.div_ceil(workers);
        let limits = Limits {
            flows: share(flows.flows),
            streams: share(flows.streams),
            states: share(flows.states),
            ..flows
        };
        let hands: io::Result<Vec<Hand>> = (0..workers)
            .map(|place| {
                let worker = Worker::new(limits, 0, tally.another(), Notes::new(central.form(), place == 0));
                Hand::new(Member { worker, odd: Decoder::new(fragments), place, workers, expects: false })
            })
            .collect();
        let mut team = Team {
            central,
            hands: hands?,
            next: Round::default(),
            under_way: 0,
            tally,
            counts: Counts::default(),
            hits: Vec::new(),
            relaxed: Vec::new(),
            harvest: Vec::new(),
        };
        team.set_rules(rules);
        Ok(team)
    }

    pub(super) fn central(&self) -> &Central {
        &self.central
    }

    pub(super) fn central_mut(&mut self) -> &mut Central {
        &mut self.central
    }

    pub(super) fn tally(&mut self) -> &mut Tally {
        &mut self.tally
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn hits(&self) -> &[u64] {
        &self.hits
    }

    pub(super) fn take_relaxed(&mut self) -> Vec<Relaxed> {
        std::mem::take(&mut self.relaxed)
    }

    pub(super) fn harvest(&mut self) -> Vec<Harvest> {
        std::mem::take(&mut self.harvest)
    }

    pub(super) fn take_stock(&mut self, limits: inventory::Limits) {
        self.settle();
        self.next.stock = Some(limits.shared(self.hands.len()));
        self.send();
    }

    pub(super) fn keep_evidence(&mut self, keeper: Keeper) {
        self.settle();
        self.next.marker = Some(keeper.marker().clone());
        self.central.keep_evidence(keeper);
        self.send();
    }

    pub(super) fn set_file(&mut self, file: Option<Arc<str>>) {
        self.next.files.push((self.next.last + 1, file));
    }

    pub(super) fn set_rules(&mut self, rules: Option<Arc<RuleSet>>) {
        self.settle();
        self.hits = carried(self.central.rules(), &self.hits, rules.as_deref());
        self.central.set_rules(rules.clone());
        self.next.rules = Some(rules);
        self.send();
    }

    /// Takes one frame; `order` counts them from 1.
    pub(super) fn frame(&mut self, order: u64, frame: &Frame<'_>) {
        let Frame { ts, number, link, source, wire_len, data } = *frame;
        self.next.last = order;
        self.next.octets.extend_from_slice(data);
        let end = self.next.octets.len();
        self.next.heads.push(Head { order, number, ts, link, source, wire_len, end });
        if order.is_multiple_of(QUIET) {
            self.next.quiet = Some(ts);
        }
        if order.is_multiple_of(ROUND) {
            self.send();
        }
    }

    /// Lets go of what is too old by this time.
    pub(super) fn tick(&mut self, now: Timestamp) {
        self.next.quiet = Some(now);
        self.send();
    }

    /// Shows everyone the round that is being put together.
    fn send(&mut self) {
        let last = self.next.last;
        let round = std::mem::replace(&mut self.next, Round { last, ..Round::default() });
        self.give(&Task::Round(Arc::new(round)));
        self.under_way += 1;
        while self.under_way > UNDER_WAY {
            self.merge();
        }
    }

    fn give(&self, task: &Task) {
        for hand in &self.hands {
            // A worker that is gone has panicked, which `merge` passes on.
            let _ = hand.tasks.send(task.clone());
        }
    }

    /// Reads files from start to end; returns what there is to say about them. `look` is told now and then how many
    /// octets were read; where it says false the rest is left unread.
    pub(super) fn read(
        &mut self,
        paths: &[PathBuf],
        look: &mut dyn FnMut(&Central, u64) -> bool,
    ) -> Result<(Totals, Vec<String>), CaptureError> {
        self.settle();
        let (octets, stop) = (AtomicU64::new(0), AtomicBool::new(false));
        let reading = Arc::new(Reading { paths: paths.to_vec(), octets, stop });
        self.give(&Task::Read(reading.clone()));
        let mut ends: Vec<End> = Vec::new();
        let mut rounds = 0u64;
        while ends.len() < self.hands.len() {
            self.under_way += 1;
            ends.extend(self.merge());
            rounds += 1;
            if rounds.is_multiple_of(64) && !look(&self.central, reading.octets.load(Ordering::Relaxed)) {
                reading.stop.store(true, Ordering::Relaxed);
            }
        }
        self.hands.iter_mut().for_each(|hand| hand.ended = false);
        let most = ends.iter().map(|end| end.totals).max_by_key(|totals| totals.packets).unwrap_or_default();
        self.next.last = most.packets;
        let mut notices = Vec::new();
        for end in ends {
            end.result?;
            notices = end.notices;
        }
        Ok((most, notices))
    }

    /// Waits for the oldest round under way and reads what was found in it; returns the ends of files met in it.
    fn merge(&mut self) -> Vec<End> {
        self.under_way -= 1;
        let mut sheets = Vec::with_capacity(self.hands.len());
        for place in 0..self.hands.len() {
            let Some(hand) = self.hands.get(place).filter(|hand| !hand.ended) else { continue };
            match hand.sheets.recv() {
                Ok(sheet) => sheets.push((place, sheet)),
                Err(_) => self.hands.swap_remove(place).end(),
            }
        }
        let mut first = sheets.first_mut().map(|(_, sheet)| &mut **sheet);
        let (times, files, quiet) = match &mut first {
            Some(sheet) => (std::mem::take(&mut sheet.times), std::mem::take(&mut sheet.files), sheet.quiet),
            None => return Vec::new(),
        };
        let (mut times, mut files) = (times.into_iter().peekable(), files.into_iter().peekable());
        let mut before = |central: &mut Central, order: u64| {
            // The file is that of the packets from there on, a time that of a packet that has passed.
            loop {
                let time = times.peek().map_or(u64::MAX, |(at, _)| *at);
                if let Some((_, file)) = files.next_if(|(at, _)| *at <= order && *at <= time) {
                    central.set_file(file);
                } else if let Some((_, ts)) = times.next_if(|(at, _)| *at < order) {
                    central.passes(ts);
                } else {
                    break;
                }
            }
        };
        let mut pages: Vec<&mut Page> = sheets.iter_mut().map(|(_, sheet)| &mut sheet.page).collect();
        notes::read(&mut pages, &mut self.central, &mut before);
        before(&mut self.central, u64::MAX);
        if let Some(now) = quiet {
            self.central.tick(now);
        }
        let reports: Vec<Report> = sheets.iter_mut().filter_map(|(_, sheet)| sheet.report.take()).collect();
        if !reports.is_empty() {
            self.take_reports(reports);
        }
        let mut ends = Vec::new();
        for (place, mut sheet) in sheets {
            let Some(hand) = self.hands.get_mut(place) else { continue };
            if let Some(end) = sheet.end.take() {
                ends.push(*end);
                hand.ended = true;
            }
            sheet.page.clear();
            // Where there are spare ones enough, or nobody wants them any more, it is let go.
            let _ = hand.spare.try_send(sheet);
        }
        ends
    }

    fn take_reports(&mut self, reports: Vec<Report>) {
        self.counts = Counts::default();
        self.tally = self.tally.another();
        self.hits.fill(0);
        for report in reports {
            self.counts.packets.add(&report.counts.packets);
            self.counts.flows.add(&report.counts.flows);
            self.counts.open += report.counts.open;
            self.counts.forgotten += report.counts.forgotten;
            self.tally.add(&report.tally);
            self.hits.iter_mut().zip(report.hits).for_each(|(sum, own)| *sum += own);
            Relaxed::join(&mut self.relaxed, report.relaxed);
            self.harvest.extend(report.harvest);
        }
    }

    /// Brings what was handed out to its end.
    pub(super) fn settle(&mut self) {
        if !self.next.heads.is_empty() {
            self.send();
        }
        while self.under_way > 0 {
            self.merge();
        }
    }

    /// Asks all workers what they counted.
    pub(super) fn gather(&mut self) {
        if self.hands.is_empty() {
            return;
        }
        self.next.gather = true;
        self.send();
        self.settle();
    }

    /// Ends every conversation and closes every alert; `last` is the time of the last packet.
    pub(super) fn finish(&mut self, last: Option<Timestamp>) -> io::Result<()> {
        (self.next.gather, self.next.finish) = (true, true);
        self.send();
        self.settle();
        self.hands.drain(..).for_each(Hand::end);
        self.central.finish(last)
    }
}

impl Hand {
    fn new(mut member: Member) -> io::Result<Hand> {
        let (tasks, given) = sync_channel::<Task>(UNDER_WAY + 2);
        let (handed_in, sheets) = sync_channel(UNDER_WAY);
        let (spare, empty) = sync_channel(UNDER_WAY);
        let labour = move || {
            let out = Out { sheets: handed_in, empty };
            for task in given {
                let goes_on = match task {
                    Task::Round(round) => out.hand_in(member.round(&round, out.sheet())),
                    Task::Read(reading) => member.read(&reading, &out),
                };
                if goes_on.is_none() {
                    break;
                }
            }
        };
        let thread = thread::Builder::new().name("worker".into()).spawn(labour)?;
        Ok(Hand { tasks, sheets, spare, ended: false, thread })
    }

    /// Waits until it has ended; passes its panic on.
    fn end(self) {
        let Hand { tasks, sheets, thread, .. } = self;
        drop((tasks, sheets));
        if let Err(panic) = thread.join() {
            std::panic::resume_unwind(panic);
        }
    }
}

/// Where a worker hands in its sheets.
struct Out {
    sheets: SyncSender<Box<Sheet>>,
    empty: Receiver<Box<Sheet>>,
}

impl Out {
    fn sheet(&self) -> Box<Sheet> {
        self.empty.try_recv().unwrap_or_default()
    }

    /// `None` where nobody takes them any more.
    fn hand_in(&self, sheet: Box<Sheet>) -> Option<()> {
        self.sheets.send(sheet).ok()
    }
}

/// One worker of several.
struct Member {
    worker: Worker<Notes>,
    /// Decodes frames whose hosts cannot be told from the outside; every worker does, and puts fragments together.
    odd: Decoder,
    place: usize,
    workers: usize,
    /// Whether the time of every frame matters.
    expects: bool,
}

impl Member {
    /// Takes a frame where it is its own.
    fn frame(&mut self, order: u64, frame: &Frame<'_>, sheet: &mut Sheet) {
        if self.expects && self.place == 0 {
            sheet.times.push((order, frame.ts));
        }
        match Whose::of(route(frame.link.number(), frame.data), self.place, self.workers) {
            Whose::Others => {}
            Whose::Mine => self.take(order, frame),
            Whose::Unknown => self.odd_frame(order, frame),
        }
    }

    /// Takes a frame of its own.
    fn take(&mut self, order: u64, frame: &Frame<'_>) {
        self.worker.up.moment = Moment::of(order);
        self.worker.frame(order, frame);
    }

    fn odd_frame(&mut self, order: u64, frame: &Frame<'_>) {
        let (place, workers) = (self.place, self.workers);
        let decoded = self.odd.decode(frame.link.number(), frame.ts, frame.data, frame.wire_len);
        match decoded {
            Decoded::Packet(packet) if Whose::of(Some(route_of(&packet)), place, workers) == Whose::Mine => {
                self.worker.up.moment = Moment::of(order);
                self.worker.packet(order, frame, &packet);
            }
            Decoded::Fragment(fragment) => {
                self.worker.up.moment = Moment::of(order);
                self.worker.up.fragment(frame, &fragment);
            }
            Decoded::Packet(_) | Decoded::Skipped(_) => {}
        }
    }

    fn set_file(&mut self, order: u64, file: Option<Arc<str>>, sheet: &mut Sheet) {
        self.worker.up.file.clone_from(&file);
        sheet.files.push((order, file));
    }

    /// Does its part of a round.
    fn round(&mut self, round: &Round, mut sheet: Box<Sheet>) -> Box<Sheet> {
        if let Some(rules) = &round.rules {
            self.expects = rules.as_deref().is_some_and(RuleSet::expects);
            self.worker.take_rules(rules.clone());
        }
        if let Some(limits) = round.stock {
            self.worker.gatherer = Some(Box::new(Gatherer::new(limits)));
        }
        if let Some(marker) = &round.marker {
            self.worker.up.marker = Some(marker.clone());
        }
        let mut files = round.files.iter().peekable();
        let mut start = 0;
        for head in &round.heads {
            while let Some((order, file)) = files.next_if(|(order, _)| *order <= head.order) {
                self.set_file(*order, file.clone(), &mut sheet);
            }
            let Head { order, number, ts, link, source, wire_len, end } = *head;
            let data = round.octets.get(start..end).unwrap_or_default();
            start = end;
            self.frame(order, &Frame { ts, number, source, link, wire_len, data }, &mut sheet);
        }
        for (order, file) in files {
            self.set_file(*order, file.clone(), &mut sheet);
        }
        self.worker.up.moment = Moment::of(round.last);
        sheet.quiet = round.quiet;
        if let Some(now) = round.quiet {
            self.worker.expire(now);
        }
        if round.finish {
            self.worker.finish();
        }
        if round.gather {
            sheet.report = Some(self.report());
        }
        self.turn_in(sheet)
    }

    /// What was found goes onto the sheet.
    fn turn_in(&mut self, mut sheet: Box<Sheet>) -> Box<Sheet> {
        std::mem::swap(&mut self.worker.up.page, &mut sheet.page);
        sheet
    }

    fn report(&mut self) -> Report {
        let mut counts = self.worker.counts();
        if self.place == 0 {
            counts.packets.add(&self.odd.counters());
        }
        let (tally, hits) = (self.worker.tally.hand_over(), self.worker.hits.clone());
        let harvest = self.worker.gatherer.as_mut().map(|gatherer| gatherer.take());
        Report { counts, tally, hits, relaxed: self.worker.memory.take_relaxed(), harvest }
    }

    /// Reads files and hands in a sheet for each round of them. `None` where nobody takes them any more.
    fn read(&mut self, reading: &Reading, out: &Out) -> Option<()> {
        let mut totals = Totals::default();
        let mut sheet = out.sheet();
        let (result, notices) = match Files::open(&reading.paths) {
            Ok(mut files) => {
                let names: Vec<Arc<str>> = files.names().iter().map(|name| name.as_str().into()).collect();
                let mut source = None;
                let (place, workers) = (self.place, self.workers);
                let mut passed = Passed::default();
                let result = loop {
                    // To the end of the round, but for its last frame, what is others' is passed over. The first worker
                    // looks at each where times matter.
                    let all = self.expects && place == 0;
                    let most = if all { 0 } else { ROUND - 1 - totals.packets % ROUND };
                    let mut whose = Whose::Unknown;
                    let next = files.next_but(most, &mut passed, |data| {
                        whose = Whose::of(route(ETHERNET, data), place, workers);
                        whose == Whose::Others
                    });
                    totals.add_passed(&passed);
                    let frame = match next {
                        Ok(Some(frame)) => frame,
                        Ok(None) => break Ok(()),
                        Err(error) => break Err(error),
                    };
                    totals.add(frame.ts, frame.wire_len);
                    if names.len() > 1 && source != Some(frame.source) {
                        source = Some(frame.source);
                        let name = names.get(usize::from(frame.source)).cloned();
                        self.set_file(totals.packets, name, &mut sheet);
                    }
                    match whose {
                        // The one that was not passed over.
                        Whose::Mine => self.take(totals.packets, &frame),
                        _ => self.frame(totals.packets, &frame, &mut sheet),
                    }
                    if !totals.packets.is_multiple_of(ROUND) {
                        continue;
                    }
                    sheet.quiet = totals.packets.is_multiple_of(QUIET).then_some(frame.ts);
                    if let Some(now) = sheet.quiet {
                        self.worker.up.moment = Moment::of(totals.packets);
                        self.worker.expire(now);
                    }
                    out.hand_in(self.turn_in(sheet))?;
                    sheet = out.sheet();
                    if self.place == 0 {
                        reading.octets.store(files.progress().0, Ordering::Relaxed);
                    }
                    if reading.stop.load(Ordering::Relaxed) {
                        break Ok(());
                    }
                };
                (result, files.notices())
            }
            Err(error) => (Err(error), Vec::new()),
        };
        sheet.quiet = None;
        sheet.end = Some(Box::new(End { result, totals, notices }));
        out.hand_in(self.turn_in(sheet))
    }
}

/// Whose a frame is, as far as its outside tells.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Mine,
    Others,
    Unknown,
}

impl Whose {
    #[inline(always)]
    fn of(route: Option<u64>, place: usize, workers: usize) -> Whose {
        match route {
            Some(route) if (((route >> 32) * workers as u64) >> 32) as usize == place => Whose::Mine,
            Some(_) => Whose::Others,
            None => Whose::Unknown,
        }
    }
}
