//! Sequence numbers, acknowledgements and the times between them, as they are seen on the way: what the parameters k,
//! w, t1, t2 and t3 amount to in a plant (IEC 60870-5-104:2006, 5.1, 5.5 and 9.6).

use super::codes::{STARTDT_ACT, STARTDT_CON, STOPDT_ACT, STOPDT_CON, TESTFR_ACT, TESTFR_CON};
use super::wire::apci::{Control, MODULUS};
use crate::address::{Side, Timestamp};

/// What one unit says of the window. All times in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Seen {
    /// I frames of the sender that the other side has not acknowledged, with this one: at most k.
    pub unacknowledged: Option<u16>,
    /// I frames of the other side that this unit acknowledges: at most w, where the plant keeps to it.
    pub acknowledges: Option<u16>,
    /// On an acknowledgement: how long the oldest of those had waited, where that was seen; at most t2.
    pub acknowledged_after: Option<u64>,
    /// On a confirmation of a U frame: the time since it was asked; at most t1.
    pub confirmed_after: Option<u64>,
    /// On a TESTFR act: the time since the last unit of either side; t3.
    pub idle: Option<u64>,
}

/// What is remembered of one side.
#[derive(Clone, Copy, Default)]
struct Lane {
    /// The last N(R) that it sent.
    acknowledged: Option<u16>,
    /// Since when the oldest of its I frames waits for an acknowledgement, where that was seen.
    waiting: Option<Timestamp>,
    /// The last U frame of its own that asks, and when.
    asked: Option<(u8, Timestamp)>,
}

/// Both sides of a conversation.
#[derive(Clone, Copy, Default)]
pub struct Window {
    lanes: [Lane; 2],
    last: Option<Timestamp>,
}

/// How far one number is after another; `None` where it is before it.
fn after(number: u16, other: u16) -> Option<u16> {
    let distance = number.wrapping_sub(other) % MODULUS;
    (distance < MODULUS / 2).then_some(distance)
}

impl Window {
    /// Of a conversation that is seen from its start, where nothing is sent and all numbers are 0.
    pub fn from_start() -> Window {
        let lane = Lane { acknowledged: Some(0), ..Lane::default() };
        Window { lanes: [lane; 2], last: None }
    }

    /// Takes the next unit of a side.
    pub fn see(&mut self, sender: Side, control: Control, ts: Timestamp) -> Seen {
        let mut seen = Seen::default();
        let [a, b] = &mut self.lanes;
        let (own, other) = if sender == Side::A { (a, b) } else { (b, a) };
        if let Control::I { recv, .. } | Control::S { recv } = control {
            seen.acknowledges = own.acknowledged.and_then(|before| after(recv, before));
            own.acknowledged = Some(recv);
            if seen.acknowledges.is_some_and(|count| count > 0) {
                seen.acknowledged_after = other.waiting.take().map(|since| ts.since(since));
            }
        }
        match control {
            Control::I { send, .. } => {
                let next = (send + 1) % MODULUS;
                seen.unacknowledged = other.acknowledged.and_then(|before| after(next, before));
                if seen.unacknowledged == Some(1) {
                    own.waiting = Some(ts);
                }
            }
            Control::S { .. } => {}
            Control::U { function } => {
                let asks = match function {
                    STARTDT_CON => Some(STARTDT_ACT),
                    STOPDT_CON => Some(STOPDT_ACT),
                    TESTFR_CON => Some(TESTFR_ACT),
                    _ => None,
                };
                match asks {
                    Some(act) => {
                        let asked = other.asked.take_if(|(function, _)| *function == act);
                        seen.confirmed_after = asked.map(|(_, since)| ts.since(since));
                    }
                    None => own.asked = Some((function, ts)),
                }
                if function == TESTFR_ACT {
                    seen.idle = self.last.map(|last| ts.since(last));
                }
            }
        }
        self.last = Some(ts);
        seen
    }

    /// Octets of a side are missing: what it sent and acknowledged is no longer known.
    pub fn gap(&mut self, side: Side) {
        if let Some(lane) = self.lanes.get_mut(side.index()) {
            *lane = Lane::default();
        }
        self.last = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: i64) -> Timestamp {
        Timestamp::from_micros(millis * 1000)
    }

    #[test]
    fn what_waits_is_counted_across_the_wrap() {
        let mut window = Window::default();
        window.see(Side::A, Control::S { recv: 0x7ffe }, ms(0));
        let seen = window.see(Side::B, Control::I { send: 0x7ffe, recv: 0 }, ms(10));
        assert_eq!((seen.unacknowledged, seen.acknowledges), (Some(1), None));
        let seen = window.see(Side::B, Control::I { send: 0x7fff, recv: 0 }, ms(20));
        assert_eq!((seen.unacknowledged, seen.acknowledges), (Some(2), Some(0)));
        let seen = window.see(Side::B, Control::I { send: 0, recv: 0 }, ms(30));
        assert_eq!(seen.unacknowledged, Some(3));
        let seen = window.see(Side::A, Control::S { recv: 1 }, ms(110));
        assert_eq!((seen.acknowledges, seen.acknowledged_after), (Some(3), Some(100_000_000)));
    }

    #[test]
    fn tests_say_how_long_it_was_quiet_and_how_fast_the_answer_came() {
        let mut window = Window::default();
        window.see(Side::A, Control::S { recv: 0 }, ms(0));
        let seen = window.see(Side::A, Control::U { function: TESTFR_ACT }, ms(20_000));
        assert_eq!((seen.idle, seen.confirmed_after), (Some(20_000_000_000), None));
        let seen = window.see(Side::B, Control::U { function: TESTFR_CON }, ms(20_003));
        assert_eq!((seen.idle, seen.confirmed_after), (None, Some(3_000_000)));
    }

    #[test]
    fn what_was_missed_is_not_guessed() {
        let mut window = Window::default();
        let seen = window.see(Side::A, Control::I { send: 5, recv: 9 }, ms(0));
        assert_eq!(seen, Seen::default());
        window.see(Side::B, Control::S { recv: 6 }, ms(0));
        window.gap(Side::B);
        assert_eq!(window.see(Side::A, Control::I { send: 6, recv: 9 }, ms(0)).unacknowledged, None);
    }
}
