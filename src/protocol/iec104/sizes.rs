//! Finds how many octets a plant has for cause, common address and object address, where it does not have those of the
//! standard.
//!
//! Every ASDU of a known type says how long it has to be; by which sizes it is just that narrows them down. The
//! standard's own come first, and what has been seen to fit is given up only for several units in a row that do not:
//! one unit cut short does not make a sensor misread the rest.

use super::codes::cause;
use super::library::{self, Class};
use super::wire::asdu::{Asdu, Sizes};

/// What may be, the likelier first: IEC 60870-5-104, then what IEC 60870-5-101 is commonly set up with. A common
/// address of one octet comes before one of two with a cause that is shorter for it: below 256, the other way round is
/// no station.
const ALL: [Sizes; 12] = [
    Sizes::STANDARD,
    sizes(1, 1, 2),
    sizes(2, 1, 2),
    sizes(1, 2, 2),
    sizes(2, 2, 2),
    sizes(2, 1, 3),
    sizes(1, 2, 3),
    sizes(1, 1, 3),
    sizes(1, 1, 1),
    sizes(2, 1, 1),
    sizes(1, 2, 1),
    sizes(2, 2, 1),
];
/// Units that fit before a few others cannot change what is believed.
const SURE: u8 = 3;
/// Units in a row that fit other sizes only, before those are believed.
const ENOUGH: u8 = 3;
/// The same as long as no unit fitted any.
const BEFORE_ANY: u8 = 2;

/// Every way to read an ASDU, the likelier first.
pub fn every() -> impl Iterator<Item = Sizes> {
    ALL.into_iter()
}

const fn sizes(cause: u8, common: u8, object: u8) -> Sizes {
    Sizes { cause, common, object }
}

/// The sizes of one conversation, as far as its traffic says.
#[derive(Clone, Copy, Default, Debug)]
pub struct Found {
    /// What is believed: its place in [`ALL`].
    place: u8,
    /// Units that fitted it, up to [`SURE`].
    fitted: u8,
    /// Which may be, by their places: all units so far fit them. Of those of the standard nothing else is asked.
    possible: u16,
    /// Units in a row that did not fit, and what all of these fit.
    against: (u8, u16),
}

impl Found {
    /// The sizes that this unit is read by.
    pub fn of(&mut self, octets: &[u8]) -> Sizes {
        let now = self.now();
        if self.place == 0 && fits(octets, now) != Some(false) {
            self.fitted = (self.fitted + 1).min(SURE);
            self.against.0 = 0;
            return now;
        }
        self.odd(octets)
    }

    /// What is believed so far.
    pub fn now(&self) -> Sizes {
        ALL.get(usize::from(self.place)).copied().unwrap_or(Sizes::STANDARD)
    }

    /// A unit that does not fit the standard's sizes, or one of a plant with others.
    #[cold]
    fn odd(&mut self, octets: &[u8]) -> Sizes {
        let fitting = (0..ALL.len()).filter(|place| {
            ALL.get(*place).is_some_and(|sizes| fits(octets, *sizes) == Some(true) && likely(octets, *sizes))
        });
        let fitting = fitting.fold(0u16, |mask, place| mask | 1 << place);
        if fitting == 0 {
            return self.now();
        }
        if self.place != 0 && fitting & self.possible != 0 {
            self.possible &= fitting;
            self.fitted = (self.fitted + 1).min(SURE);
            self.against.0 = 0;
            self.believe(self.possible);
            return self.now();
        }
        let (count, all) = self.against;
        let common = if count == 0 { fitting } else { all & fitting };
        self.against = if common == 0 { (1, fitting) } else { (count + 1, common) };
        let standard_again = fitting & 1 == 1 && self.fitted < SURE;
        let enough = match self.fitted {
            // Where nothing fitted so far, an interrogation says enough by itself: most conversations begin with one.
            0 if is_about_station(octets) => 1,
            0 => BEFORE_ANY,
            _ => ENOUGH,
        };
        if standard_again || self.against.0 >= enough {
            self.possible = self.against.1;
            self.believe(self.possible);
            self.fitted = self.against.0.min(SURE);
            self.against = (0, 0);
        }
        self.now()
    }

    fn believe(&mut self, possible: u16) {
        self.place = possible.trailing_zeros().min(ALL.len() as u32 - 1) as u8;
    }
}

/// Whether a unit is just as long as its type and number say; `None` where these say nothing.
fn fits(octets: &[u8], sizes: Sizes) -> Option<bool> {
    let Ok(asdu) = Asdu::parse(octets, sizes) else { return Some(false) };
    asdu.row().filter(|row| row.has_objects())?;
    Some(asdu.fault().is_none())
}

fn is_about_station(octets: &[u8]) -> bool {
    octets.first().and_then(|code| library::find(*code)).is_some_and(|row| row.is_about_station())
}

/// Whether what a unit says read by these sizes is what a station would say: a cause that its type has, a station, and
/// no object where its type is about the station.
pub fn likely(octets: &[u8], sizes: Sizes) -> bool {
    let Ok(asdu) = Asdu::parse(octets, sizes) else { return false };
    let Some(row) = asdu.row() else { return false };
    let caused = match asdu.cause {
        cause::PERIODIC..=cause::INITIALIZED | cause::RETURN_REMOTE | cause::RETURN_LOCAL => {
            !matches!(row.class, Class::Command)
        }
        cause::INTERROGATED..=cause::COUNTERS_GROUP_4 => {
            matches!(row.class, Class::Monitor | Class::Parameter)
        }
        cause::REQUEST => !matches!(row.class, Class::Command),
        cause::ACTIVATION..=cause::ACTIVATION_TERMINATION => row.class != Class::Monitor,
        cause::UNKNOWN_TYPE..=cause::UNKNOWN_OBJECT => true,
        13 => row.class == Class::File,
        _ => false,
    };
    let mut objects = asdu.objects().map(|object| object.address);
    caused && asdu.common != 0 && (!row.is_about_station() || objects.all(|address| address == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(units: &[&[u8]]) -> Sizes {
        let mut found = Found::default();
        units.iter().map(|unit| found.of(unit)).last().unwrap()
    }

    const INTERROGATION: &[u8] = &[100, 1, 6, 0, 1, 0, 0, 0, 0, 20];

    #[test]
    fn the_standards_own_are_taken_first() {
        assert_eq!(found(&[INTERROGATION]), Sizes::STANDARD);
        assert_eq!(found(&[&[200, 1, 6, 0, 1, 0, 0, 0, 0, 20]]), Sizes::STANDARD, "nobody knows this type");
    }

    #[test]
    fn every_other_is_found_from_an_interrogation_and_what_follows() {
        for want in ALL.into_iter().skip(1) {
            // Station 1 is interrogated and sends two points apart.
            let unit = |type_id: u8, number: u8, cause: u8, objects: &[(u32, u8)]| {
                let mut unit = vec![type_id, number, cause];
                unit.extend(&[0][..usize::from(want.cause) - 1]);
                unit.extend(&[1, 0][..usize::from(want.common)]);
                for (address, octet) in objects {
                    unit.extend(&address.to_le_bytes()[..usize::from(want.object)]);
                    unit.push(*octet);
                }
                unit
            };
            let units = [
                unit(100, 1, 6, &[(0, 20)]),
                unit(100, 1, 7, &[(0, 20)]),
                unit(1, 2, 20, &[(21, 1), (25, 0)]),
                unit(3, 3, 20, &[(31, 1), (35, 0), (36, 2)]),
                unit(100, 1, 10, &[(0, 20)]),
                unit(45, 1, 6, &[(77, 1)]),
            ];
            let mut found = Found::default();
            let all: Vec<Sizes> = units.iter().map(|unit| found.of(unit)).collect();
            let same = |sizes: &Sizes| {
                (sizes.cause, sizes.common, sizes.object) == (want.cause, want.common, want.object)
                    // An originator of 0 and the upper half of a short common address look the same.
                    || sizes.object == want.object && sizes.header() == want.header()
            };
            assert!(all.iter().skip(2).all(same), "{want:?}: {all:?}");
            assert!(units.iter().zip(&all).all(|(unit, sizes)| fits(unit, *sizes) == Some(true)), "{want:?}");
        }
    }

    #[test]
    fn one_unit_cut_short_does_not_change_what_is_known() {
        let short = &[1, 1, 3, 0, 1, 0, 1, 1][..];
        assert_eq!(found(&[INTERROGATION, short]), Sizes::STANDARD);
        assert_eq!(found(&[INTERROGATION, short, short, INTERROGATION, short]), Sizes::STANDARD);
        let mut found = Found::default();
        assert_eq!(found.of(short), Sizes::STANDARD, "one alone says little");
        assert_ne!(found.of(short), Sizes::STANDARD, "nothing else is known");
        assert_eq!(found.of(INTERROGATION), Sizes::STANDARD);
        assert_eq!(found.of(short), Sizes::STANDARD);
    }
}
