//! Conversations: the flow table, TCP streams in order, datagrams without the copies of a mirror port.
//!
//! Flows in: decoded packets. Flows out: [`Delivery`]s of one conversation, in order. Connections are picked up in
//! the middle; both directions are followed independently, so that a tap that sees one side only still works.
//! Memory is bounded: the conversation that has been quiet longest goes first, and is counted.

mod half;
mod history;

use crate::address::{Address, Endpoint, Mac, Side, Timestamp, Transport};
use crate::packet::{Packet, Tcp};
use foldhash::fast::RandomState;
use half::{Common, Half, Piece, Segment};
use hashbrown::HashTable;
use std::hash::{BuildHasher, Hasher};

/// How soon after a datagram the same one again is taken for the mirror port's copy, in nanoseconds.
const MIRROR: u64 = 5_000_000;
/// How long a closed connection is remembered, so that its last packets do not open a new one, in nanoseconds.
const LINGER: u64 = 60_000_000_000;
/// A conversation moves to the young end of the list at most this often, in nanoseconds.
const TOUCH: u64 = 1_000_000_000;

/// Bounds of the flow table.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Conversations followed at once.
    pub flows: usize,
    /// Octets of early segments kept for one direction of one connection.
    pub stream: usize,
    /// Octets of early segments kept over all connections.
    pub streams: usize,
    /// Octets that the users' states may hold over all conversations: requests that wait for their answers, messages
    /// whose end has not come.
    pub states: usize,
    /// Nanoseconds without a packet after which a conversation is forgotten.
    pub idle: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            flows: 200_000,
            stream: 256 << 10,
            streams: 64 << 20,
            states: 256 << 20,
            idle: 7_200_000_000_000,
        }
    }
}

/// What a conversation delivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Delivery<'a> {
    /// The next octets of a TCP stream.
    Data(&'a [u8]),
    /// Octets of a TCP stream that were never captured; 0 where nobody knows how many.
    Gap(u64),
    /// A datagram.
    Datagram(&'a [u8]),
    /// The conversation is over or forgotten; nothing follows.
    Closed,
}

/// A user's state of a conversation.
pub trait State: Default {
    /// Octets that it holds on the heap.
    fn held(&self) -> usize;
}

/// One conversation between two ends.
pub struct Conversation<T> {
    /// The two ends; A sent the first packet seen.
    pub ends: [Endpoint; 2],
    /// What carries it.
    pub transport: Transport,
    /// The MAC addresses of the two ends in the first packet.
    pub macs: [Option<Mac>; 2],
    /// The innermost VLAN of the first packet.
    pub vlan: Option<u16>,
    /// Who opened the connection, where its handshake was seen.
    pub client: Option<Side>,
    /// When its last packet came.
    pub last_seen: Timestamp,
    /// Its place in the order in which conversations are forgotten: which list, and the number of the packet that put
    /// it there.
    pub turn: (u8, u64),
    /// The user's state.
    pub state: T,
}

/// What the table counted.
#[derive(Clone, Copy, Default, Debug)]
pub struct Counters {
    /// Conversations opened.
    pub opened: u64,
    /// Conversations forgotten because the table was full.
    pub evicted: u64,
    /// Conversations forgotten because the users' states held too much.
    pub states_full: u64,
    /// Datagrams that were a mirror port's copy.
    pub copies: u64,
    /// Segments that held nothing new: retransmissions and copies.
    pub retransmitted: u64,
    /// Segments that came too early.
    pub out_of_order: u64,
    /// Segments and resets out of place.
    pub stray: u64,
    /// Segments that say other octets than those that came before for the same place.
    pub conflicting: u64,
    /// Segments set aside because a receiver probably drops them.
    pub doubtful: u64,
    /// Holes in streams.
    pub gaps: u64,
    /// Octets never captured.
    pub lost: u64,
    /// Holes given up because a buffer was full.
    pub buffer_full: u64,
}

impl Counters {
    /// Adds those of another table.
    pub fn add(&mut self, other: &Counters) {
        self.opened += other.opened;
        self.evicted += other.evicted;
        self.states_full += other.states_full;
        self.copies += other.copies;
        self.retransmitted += other.retransmitted;
        self.out_of_order += other.out_of_order;
        self.stray += other.stray;
        self.conflicting += other.conflicting;
        self.doubtful += other.doubtful;
        self.gaps += other.gaps;
        self.lost += other.lost;
        self.buffer_full += other.buffer_full;
    }
}

enum Kind {
    Tcp { halves: [Half; 2], fins: u8 },
    Datagrams { recent: [(u64, Timestamp); 2] },
}

struct Entry<T> {
    conversation: Conversation<T>,
    kind: Kind,
    hash: u64,
    touched: Timestamp,
    /// Octets that the user's state held after its last packet.
    held: usize,
    /// The VLANs that A and B are in; 0 where none was seen.
    vlans: [u16; 2],
    older: u32,
    younger: u32,
}

/// Conversations in which both sides have spoken.
const SPOKEN: usize = 0;
/// Conversations that are closed.
const CLOSED: usize = 1;
/// Conversations in which only one side has spoken so far: what scans and floods open.
const ONE_SIDED: usize = 2;

/// Both sides have sent a FIN.
const FINS: u8 = 3;

/// Nothing, in a list of places.
const NONE: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct List {
    oldest: u32,
    youngest: u32,
    count: usize,
}

/// All conversations.
pub struct FlowTable<T> {
    limits: Limits,
    hasher: RandomState,
    index: HashTable<u32>,
    entries: Vec<Option<Entry<T>>>,
    free: Vec<u32>,
    /// Open and closed conversations, by when they were last touched.
    lists: [List; 3],
    /// The number of the present packet.
    number: u64,
    /// Octets that the users' states hold.
    held: usize,
    counters: Counters,
    halves: Common,
}

impl<T> Entry<T> {
    /// Which of the lists it is in.
    fn list(&self) -> usize {
        usize::from(self.conversation.turn.0)
    }
}

impl<T: State> FlowTable<T> {
    /// An empty table.
    pub fn new(limits: Limits) -> Self {
        let empty = List { oldest: NONE, youngest: NONE, count: 0 };
        FlowTable {
            limits,
            hasher: RandomState::default(),
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            lists: [empty; 3],
            number: 0,
            held: 0,
            counters: Counters::default(),
            halves: Common::default(),
        }
    }

    /// Conversations followed at present.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Octets of early segments held at present, over all streams.
    pub fn buffered(&self) -> usize {
        self.halves.buffered
    }

    /// What was counted so far.
    pub fn counters(&self) -> Counters {
        let h = &self.halves;
        Counters {
            retransmitted: h.retransmitted,
            out_of_order: h.out_of_order,
            stray: h.stray,
            conflicting: h.conflicting,
            doubtful: h.doubtful,
            gaps: h.gaps,
            lost: h.lost,
            buffer_full: h.buffer_full,
            ..self.counters
        }
    }

    /// Takes one packet; `on` gets what it brings. `number` counts all packets, also those that other tables take.
    pub fn packet(
        &mut self,
        number: u64,
        ts: Timestamp,
        packet: &Packet<'_>,
        on: &mut dyn FnMut(&mut Conversation<T>, Side, Delivery<'_>),
    ) {
        self.number = number;
        let hash = self.hash(packet);
        let mut place = self.place(hash, packet);
        let mut former = None;
        if let (Some(at), Some(tcp)) = (place, &packet.tcp)
            && tcp.syn
            && self.is_new_connection(at, packet, tcp)
        {
            former = self.halves_of(at, packet).and_then(|[half, _]| half.place());
            self.remove(at, on);
            place = None;
        }
        let at = match place {
            Some(at) => at,
            None => self.open(hash, ts, packet, on),
        };
        self.touch(at, ts);
        let Some(Some(entry)) = self.entries.get_mut(at as usize) else { return };
        let side = if entry.conversation.ends[0] == packet.src { Side::A } else { Side::B };
        entry.conversation.last_seen = ts;
        if let (Some(vlan), seen @ 0) = (packet.vlan, &mut entry.vlans[side.index()]) {
            *seen = vlan;
        }
        if let (Some(_), Kind::Tcp { halves: [half, _], .. }) = (former, &mut entry.kind) {
            half.stood_at(former);
        }
        let limit = if self.halves.buffered > self.limits.streams { 0 } else { self.limits.stream };
        if side == Side::B && entry.list() == ONE_SIDED {
            self.move_to(at, SPOKEN);
        }
        let Some(Some(entry)) = self.entries.get_mut(at as usize) else { return };
        match (&mut entry.kind, &packet.tcp) {
            (Kind::Tcp { halves, fins }, Some(tcp)) => {
                let mut table = TcpTurn { halves, fins, counters: &mut self.halves, limit };
                match table.turn(&mut entry.conversation, side, ts, packet, tcp, on) {
                    Turn::Closing if entry.list() != CLOSED => self.move_to(at, CLOSED),
                    // Whoever closed it, or seemed to: it goes on.
                    Turn::Data if entry.list() == CLOSED => self.move_to(at, SPOKEN),
                    _ => {}
                }
            }
            (Kind::Datagrams { recent }, _) => {
                let mut hasher = self.hasher.build_hasher();
                hasher.write_u32(packet.ip_id ^ (side.index() as u32) << 31);
                hasher.write(packet.payload);
                let mark = hasher.finish();
                if recent.iter().any(|(old, seen)| *old == mark && ts.since(*seen) < MIRROR && ts >= *seen) {
                    self.counters.copies += 1;
                    return;
                }
                *recent = [(mark, ts), recent[0]];
                on(&mut entry.conversation, side, Delivery::Datagram(packet.payload));
            }
            (Kind::Tcp { .. }, None) => {}
        }
        if !packet.payload.is_empty() {
            self.weigh(at, on);
        }
    }

    /// Notes what a conversation's state holds now; where all hold too much, conversations go.
    fn weigh(&mut self, at: u32, on: &mut dyn FnMut(&mut Conversation<T>, Side, Delivery<'_>)) {
        let Some(Some(entry)) = self.entries.get_mut(at as usize) else { return };
        let now = entry.conversation.state.held();
        let before = std::mem::replace(&mut entry.held, now);
        self.held = (self.held + now).saturating_sub(before);
        while self.held > self.limits.states && !self.is_empty() {
            self.counters.states_full += 1;
            self.remove(self.dispensable(), on);
        }
    }

    /// Forgets conversations that have been quiet too long. Costs nothing where there is none.
    pub fn expire(&mut self, now: Timestamp, on: &mut dyn FnMut(&mut Conversation<T>, Side, Delivery<'_>)) {
        let idle = self.limits.idle;
        for (list, time) in [(SPOKEN, idle), (CLOSED, LINGER.min(idle)), (ONE_SIDED, idle)] {
            while let Some(Some(entry)) = self.entries.get(self.lists[list].oldest as usize) {
                // The time of the list's order: within a second of the last packet.
                if now.since(entry.touched) <= time {
                    break;
                }
                self.remove(self.lists[list].oldest, on);
            }
        }
    }

    /// Ends every conversation, in the order of [`Conversation::turn`].
    pub fn finish(&mut self, on: &mut dyn FnMut(&mut Conversation<T>, Side, Delivery<'_>)) {
        for list in [SPOKEN, CLOSED, ONE_SIDED] {
            while self.lists[list].oldest != NONE {
                self.remove(self.lists[list].oldest, on);
            }
        }
    }

    fn hash(&self, packet: &Packet<'_>) -> u64 {
        let (low, high) =
            if packet.src <= packet.dst { (&packet.src, &packet.dst) } else { (&packet.dst, &packet.src) };
        let mut hasher = self.hasher.build_hasher();
        for end in [low, high] {
            match end.address {
                Address::V4(a) => hasher.write_u64(u64::from(a.to_bits()) << 16 | u64::from(end.port)),
                Address::V6(a) => {
                    hasher.write_u128(a.to_bits());
                    hasher.write_u16(end.port);
                }
                Address::Mac(Mac([a, b, c, d, e, f])) => {
                    hasher.write_u64(u64::from_be_bytes([0, 1, a, b, c, d, e, f]));
                }
            }
        }
        hasher.finish()
    }

    /// The conversation that a packet belongs to. The same two ends in two VLANs are two conversations; a packet
    /// without a VLAN belongs to any, since mirror ports give copies with and without the tag.
    fn place(&self, hash: u64, packet: &Packet<'_>) -> Option<u32> {
        let vlan = packet.vlan.unwrap_or(0);
        // The sender's own VLAN; one that the other end is in; one that is not known to be another.
        self.find(hash, packet, |[own, _]| own == vlan)
            .or_else(|| self.find(hash, packet, |[own, other]| own == 0 && other == vlan))
            .or_else(|| self.find(hash, packet, |[own, _]| own == 0 || vlan == 0))
    }

    /// The conversation of a packet's two ends for which the VLANs of its sender and of its receiver are right.
    #[inline]
    fn find(&self, hash: u64, packet: &Packet<'_>, right: impl Fn([u16; 2]) -> bool) -> Option<u32> {
        let same = |place: &u32| {
            self.entries.get(*place as usize).and_then(Option::as_ref).is_some_and(|entry| {
                let [a, b] = &entry.conversation.ends;
                let [of_a, of_b] = entry.vlans;
                entry.hash == hash
                    && entry.conversation.transport == packet.transport
                    && (*a == packet.src && *b == packet.dst && right([of_a, of_b])
                        || *a == packet.dst && *b == packet.src && right([of_b, of_a]))
            })
        };
        self.index.find(hash, same).copied()
    }

    /// The direction of a packet and the opposite one.
    fn halves_of(&self, at: u32, packet: &Packet<'_>) -> Option<[&Half; 2]> {
        let entry = self.entries.get(at as usize)?.as_ref()?;
        let Kind::Tcp { halves: [a, b], .. } = &entry.kind else { return None };
        Some(if entry.conversation.ends[0] == packet.src { [a, b] } else { [b, a] })
    }

    /// Whether a SYN starts another connection between the same two ports. Where the receiver is seen and nothing
    /// closed the one before, its answer decides.
    fn is_new_connection(&self, at: u32, packet: &Packet<'_>, tcp: &Tcp) -> bool {
        let Some(Some(entry)) = self.entries.get(at as usize) else { return false };
        let Kind::Tcp { fins, .. } = &entry.kind else { return false };
        let Some([half, other]) = self.halves_of(at, packet) else { return false };
        let closed = *fins == FINS;
        !half.fits_syn(tcp.seq)
            && match tcp.ack_flag {
                false => closed || !half.stands(),
                true => entry.list() == CLOSED || other.is_granted(tcp.ack),
            }
    }

    fn open(
        &mut self,
        hash: u64,
        ts: Timestamp,
        packet: &Packet<'_>,
        on: &mut dyn FnMut(&mut Conversation<T>, Side, Delivery<'_>),
    ) -> u32 {
        self.counters.opened += 1;
        if self.index.len() >= self.limits.flows {
            self.counters.evicted += 1;
            self.remove(self.dispensable(), on);
        }
        let kind = match packet.tcp {
            Some(_) => Kind::Tcp { halves: Default::default(), fins: 0 },
            None => Kind::Datagrams { recent: Default::default() },
        };
        let conversation = Conversation {
            ends: [packet.src, packet.dst],
            transport: packet.transport,
            macs: [packet.src_mac, packet.dst_mac],
            vlan: packet.vlan,
            client: None,
            last_seen: ts,
            turn: (ONE_SIDED as u8, self.number),
            state: T::default(),
        };
        let entry = Entry {
            conversation,
            kind,
            hash,
            touched: ts,
            held: 0,
            vlans: [packet.vlan.unwrap_or(0), 0],
            older: NONE,
            younger: NONE,
        };
        let at = match self.free.pop() {
            Some(at) => {
                self.entries[at as usize] = Some(entry);
                at
            }
            None => {
                self.entries.push(Some(entry));
                self.entries.len() as u32 - 1
            }
        };
        let entries = &self.entries;
        self.index.insert_unique(hash, at, |place| {
            entries.get(*place as usize).and_then(Option::as_ref).map_or(0, |entry| entry.hash)
        });
        self.link(at);
        at
    }

    /// Ends a conversation: what its streams still hold, then that it is closed.
    fn remove(&mut self, at: u32, on: &mut dyn FnMut(&mut Conversation<T>, Side, Delivery<'_>)) {
        self.unlink(at);
        let Some(mut entry) = self.entries.get_mut(at as usize).and_then(Option::take) else { return };
        self.free.push(at);
        self.held = self.held.saturating_sub(entry.held);
        if let Ok(found) = self.index.find_entry(entry.hash, |place| *place == at) {
            found.remove();
        }
        if let Kind::Tcp { halves, .. } = &mut entry.kind {
            for (half, side) in halves.iter_mut().zip([Side::A, Side::B]) {
                half.finish(&mut self.halves, &mut |piece| {
                    on(&mut entry.conversation, side, piece.into());
                });
            }
        }
        on(&mut entry.conversation, Side::A, Delivery::Closed);
    }

    fn touch(&mut self, at: u32, ts: Timestamp) {
        let Some(Some(entry)) = self.entries.get_mut(at as usize) else { return };
        if ts.since(entry.touched) < TOUCH {
            return;
        }
        entry.touched = ts;
        self.unlink(at);
        self.link(at);
    }

    fn unlink(&mut self, at: u32) {
        let Some(Some(entry)) = self.entries.get(at as usize) else { return };
        let (older, younger, list) = (entry.older, entry.younger, entry.list());
        self.lists[list].count -= 1;
        match self.entries.get_mut(older as usize) {
            Some(Some(neighbour)) => neighbour.younger = younger,
            _ => self.lists[list].oldest = younger,
        }
        match self.entries.get_mut(younger as usize) {
            Some(Some(neighbour)) => neighbour.older = older,
            _ => self.lists[list].youngest = older,
        }
    }

    /// Puts a conversation at the young end of another list.
    fn move_to(&mut self, at: u32, list: usize) {
        self.unlink(at);
        if let Some(Some(entry)) = self.entries.get_mut(at as usize) {
            entry.conversation.turn.0 = list as u8;
        }
        self.link(at);
    }

    /// The conversation to forget where there is no room for another: a closed one; one of those in which only one
    /// side has spoken, where they are more than half of all; else the one that has been quiet longest. So a flood of
    /// beginnings does not push out those who talk.
    fn dispensable(&self) -> u32 {
        let [spoken, closed, one_sided] = &self.lists;
        let quiet = |list: &List| {
            let entry = self.entries.get(list.oldest as usize).and_then(Option::as_ref);
            entry.map(|entry| entry.conversation.last_seen)
        };
        match (quiet(spoken), quiet(one_sided)) {
            _ if closed.oldest != NONE => closed.oldest,
            (Some(_), Some(_)) if one_sided.count > self.index.len() / 2 => one_sided.oldest,
            (Some(a), Some(b)) if b < a => one_sided.oldest,
            (Some(_), _) => spoken.oldest,
            (None, _) => one_sided.oldest,
        }
    }

    /// Puts a conversation at the young end of its list.
    fn link(&mut self, at: u32) {
        let Some(Some(entry)) = self.entries.get_mut(at as usize) else { return };
        entry.conversation.turn.1 = self.number;
        let list = entry.list();
        self.lists[list].count += 1;
        let youngest = std::mem::replace(&mut self.lists[list].youngest, at);
        (entry.older, entry.younger) = (youngest, NONE);
        match self.entries.get_mut(youngest as usize) {
            Some(Some(neighbour)) => neighbour.younger = at,
            _ => self.lists[list].oldest = at,
        }
    }
}

impl<'a> From<Piece<'a>> for Delivery<'a> {
    fn from(piece: Piece<'a>) -> Self {
        match piece {
            Piece::Data(bytes) => Delivery::Data(bytes),
            Piece::Gap(lost) => Delivery::Gap(lost),
        }
    }
}

/// What a packet did to a TCP connection.
enum Turn {
    /// It ends, as far as this packet says.
    Closing,
    /// It goes on with data.
    Data,
    /// Neither.
    Nothing,
}

/// One packet of a TCP connection at work.
struct TcpTurn<'t> {
    halves: &'t mut [Half; 2],
    fins: &'t mut u8,
    counters: &'t mut Common,
    limit: usize,
}

impl TcpTurn<'_> {
    /// Takes the packet.
    fn turn<T>(
        &mut self,
        conversation: &mut Conversation<T>,
        side: Side,
        ts: Timestamp,
        packet: &Packet<'_>,
        tcp: &Tcp,
        on: &mut dyn FnMut(&mut Conversation<T>, Side, Delivery<'_>),
    ) -> Turn {
        let [a, b] = &mut *self.halves;
        let (half, other) = match side {
            Side::A => (a, b),
            Side::B => (b, a),
        };
        let place = half.place();
        let fits_reset = half.fits_reset(tcp.seq);
        let mut seq = tcp.seq;
        let mut ours = true;
        if tcp.syn {
            ours = half.syn(tcp.seq);
            seq = seq.wrapping_add(1);
            if ours && tcp.ack_flag && other.place().is_none() {
                other.syn(tcp.ack.wrapping_sub(1));
            }
            if ours {
                conversation.client.get_or_insert(if tcp.ack_flag { side.other() } else { side });
            }
        }
        if !tcp.rst {
            half.vouch(packet.checksum, packet.ttl);
        }
        // What is acknowledged came before what answers it.
        if tcp.ack_flag && ours {
            other.acknowledged(tcp.ack);
            if other.is_waiting() {
                other.check(ts.nanos, self.counters, &mut |piece| {
                    on(conversation, side.other(), piece.into());
                });
            }
        }
        if (!packet.payload.is_empty() || packet.cut > 0) && ours {
            let segment = Segment {
                seq,
                bytes: packet.payload,
                cut: packet.cut,
                pushed: tcp.psh,
                early: tcp.syn,
                checksum: packet.checksum,
                ttl: packet.ttl,
            };
            half.segment(segment, ts.nanos, self.limit, self.counters, &mut |piece| {
                on(conversation, side, piece.into());
            });
        }
        if half.is_waiting() {
            half.check(ts.nanos, self.counters, &mut |piece| on(conversation, side, piece.into()));
        }
        let data = place != half.place();
        let fin = 1 << side.index();
        if tcp.fin {
            *self.fins |= fin;
        } else if data {
            *self.fins &= !fin;
        }
        self.counters.stray += u64::from(tcp.rst && !fits_reset || !ours);
        match () {
            () if tcp.rst && fits_reset || *self.fins == FINS => Turn::Closing,
            () if data && !tcp.syn => Turn::Data,
            () => Turn::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
