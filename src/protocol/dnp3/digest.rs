//! From the object headers of a fragment to what rules look at: points, values and, in a response, how it turned
//! out. Flows out into buffers that the session keeps, so that nothing is allocated for a message.

use super::codes;
use super::library::{Layout, Variation};
use super::trouble::Trouble;
use super::value::{self, Parts};
use super::wire::objects::{Block, Content, Headers, Range};
use crate::event::{PointRange, Space, Value, Verb};

/// At most this many point ranges and this many values are taken from one message: what a fragment of the usual
/// maximum of 2048 octets can hold at most.
pub const MOST: usize = 16_384;

/// What a fragment's objects come to.
#[derive(Debug)]
pub struct Digest<'a> {
    /// The group of the first object that is not about authentication.
    pub group: Option<u8>,
    /// The first refusal that an object states: code and name.
    pub refusal: Option<(u8, &'static str)>,
    /// Why not everything was read.
    pub trouble: Option<Trouble<'a>>,
    /// Whether the fragment holds a challenge (g120v1): what was asked is not answered yet.
    pub challenge: bool,
    /// Whether the fragment answers a challenge (g120v2).
    pub reply: bool,
}

/// Takes the objects of a fragment apart. `verb` says what is done to the points of a group.
pub fn digest<'a>(
    function: u8,
    octets: &'a [u8],
    verb: impl Fn(u8) -> Verb,
    points: &mut Vec<PointRange>,
    values: &mut Vec<Value<'a>>,
) -> Digest<'a> {
    let mut digest = Digest { group: None, refusal: None, trouble: None, challenge: false, reply: false };
    let states_outcome = super::wire::application::is_response(function);
    let mut authentication = None;
    for block in Headers::new(function, octets) {
        let block = match block {
            Ok(block) => block,
            Err(error) => {
                digest.trouble = Some(Trouble::Object(error));
                if let (Some(name), Some(range)) = (error.name, error.range) {
                    // What it speaks of is known, even where its objects are not.
                    let (space, variant) = (Space(u16::from(name.group)), name.variation);
                    if let Range::Span { first, last } = range
                        && first <= last
                    {
                        points.push(PointRange {
                            space,
                            variant,
                            first,
                            last,
                            verb: verb(name.group),
                            valued: false,
                        });
                    }
                    digest.group = digest.group.or(Some(name.group));
                }
                break;
            }
        };
        let name = block.name;
        match (name.group, name.variation) {
            (120, variation) => {
                authentication = Some(name.group);
                digest.challenge |= variation == 1;
                digest.reply |= variation == 2;
            }
            (group, _) => digest.group = digest.group.or(Some(group)),
        }
        if !take(&block, verb(name.group), points, values) {
            digest.trouble = Some(Trouble::Points(MOST));
            break;
        }
        if states_outcome && digest.refusal.is_none() && matches!(name.group, 12 | 41 | 70 | 120) {
            digest.refusal = block.points().find_map(|point| refusal(block.form, point.content));
        }
    }
    digest.group = digest.group.or(authentication);
    digest
}

/// Takes the points and values of one header; `false` where there is no more room.
fn take<'a>(
    block: &Block<'a>,
    verb: Verb,
    points: &mut Vec<PointRange>,
    values: &mut Vec<Value<'a>>,
) -> bool {
    let range = PointRange {
        space: Space(u16::from(block.name.group)),
        variant: block.name.variation,
        first: 0,
        last: PointRange::ALL,
        verb,
        valued: false,
    };
    if block.is_indexed() {
        for point in block.points() {
            if points.len() >= MOST || values.len() >= MOST {
                return false;
            }
            let value = if block.carries { value::of(block.form, point.content) } else { None };
            points.push(PointRange {
                first: point.index,
                last: point.index,
                valued: value.is_some(),
                ..range
            });
            values.extend(value);
        }
        return true;
    }
    let (first, last) = match block.range {
        Range::All => (0, PointRange::ALL),
        Range::Span { first, last } => (first, last),
        Range::Count(0) => return true,
        Range::Count(count) if block.carries => (0, count - 1),
        // So many at most, of any index.
        Range::Count(_) => (0, PointRange::ALL),
    };
    if points.len() >= MOST {
        return false;
    }
    let before = values.len();
    let filled = block.carries && block.points().next().is_some();
    let fits = block.range.count() <= MOST.saturating_sub(before) as u64;
    if filled && fits {
        values.extend(block.points().map_while(|point| value::of(block.form, point.content)));
    }
    // Either every point has its value, or none.
    let valued = filled && (values.len() - before) as u64 == block.range.count();
    if !valued {
        values.truncate(before);
    }
    points.push(PointRange { first, last, valued, ..range });
    fits || !filled
}

/// The refusal that an object of a response states: the status of a control or of a file operation, an error of
/// authentication.
fn refusal(form: Option<&'static Variation>, content: Content<'_>) -> Option<(u8, &'static str)> {
    let form = form?;
    let Content::Octets(octets) = content else { return None };
    let undefined = |code, name: Option<&'static str>| (code, name.unwrap_or("undefined status"));
    let (code, name) = match (form.group, form.variation, form.layout) {
        (12 | 41, _, Layout::Fixed) => {
            let code = octets.last()? & 0x7f;
            undefined(code, codes::control_status(code))
        }
        (70, 4 | 6, _) => {
            let code = *part(form, octets, "status")?.first()?;
            undefined(code, codes::file_status(code))
        }
        (120, 7, _) => {
            let code = *part(form, octets, "error")?.first()?;
            undefined(code, codes::authentication_error(code))
        }
        _ => return None,
    };
    (code != 0).then_some((code, name))
}

fn part<'a>(form: &'static Variation, object: &'a [u8], name: &str) -> Option<&'a [u8]> {
    Parts::new(form, object).find(|(field, _)| field.name == name).map(|(_, part)| part)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Space, first, last, whether valued.
    type Taken = (u16, u32, u32, bool);

    fn taken(function: u8, octets: &[u8]) -> (Vec<Taken>, Vec<Value<'_>>, Digest<'_>) {
        let (mut points, mut values) = (Vec::new(), Vec::new());
        let digest = digest(function, octets, |_| Verb::Read, &mut points, &mut values);
        let points = points.iter().map(|p| (p.space.0, p.first, p.last, p.valued)).collect();
        (points, values, digest)
    }

    #[test]
    fn a_read_of_classes_touches_all_of_them() {
        let (points, values, digest) = taken(1, &[60, 2, 6, 60, 1, 6, 30, 0, 0, 2, 5, 2, 0, 7, 9]);
        let all = PointRange::ALL;
        assert_eq!(points, [(60, 0, all, false), (60, 0, all, false), (30, 2, 5, false), (2, 0, all, false)]);
        assert!(values.is_empty() && digest.trouble.is_none());
        assert_eq!(digest.group, Some(60));
    }

    #[test]
    fn every_valued_point_has_its_value() {
        let octets =
            [1, 1, 0, 3, 5, 0b101, 32, 2, 0x17, 2, 8, 1, 5, 0, 9, 1, 6, 0, 110, 3, 0, 1, 1, b'a', b'b', b'c'];
        let (points, values, digest) = taken(129, &octets);
        assert_eq!(points, [(1, 3, 5, true), (32, 8, 8, true), (32, 9, 9, true), (110, 1, 1, true)]);
        let state = |on| Value::Bool(on);
        assert_eq!(
            values,
            [state(true), state(false), state(true), Value::Int(5), Value::Int(6), Value::Text(b"abc")]
        );
        assert!(digest.refusal.is_none() && digest.trouble.is_none());
    }

    #[test]
    fn a_control_that_was_refused_says_why() {
        let mut response = vec![12, 1, 0x28, 2, 0, 3, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        response.extend([4, 0, 3, 1, 0, 0, 0, 0, 0, 0, 0, 0, 7]);
        let (points, values, digest) = taken(129, &response);
        assert_eq!(points.len(), 2);
        assert_eq!(values, [Value::Name("latch on"), Value::Name("latch on")]);
        assert_eq!(digest.refusal, Some((7, "local")));
        assert_eq!(taken(5, &response).2.refusal, None);
    }

    #[test]
    fn what_comes_before_a_fault_is_kept() {
        let (points, values, digest) = taken(129, &[30, 4, 0, 0, 0, 7, 0, 30, 1, 0, 1, 5, 1, 2, 3]);
        assert_eq!(points, [(30, 0, 0, true), (30, 1, 5, false)]);
        assert_eq!(values, [Value::Int(7)]);
        assert_eq!(digest.trouble.map(|trouble| trouble.label()), Some("object-length"));
    }

    #[test]
    fn sixty_five_thousand_empty_strings_take_no_room() {
        let write: Vec<u8> = [112, 0, 1, 0, 0, 0xff, 0xff].repeat(290);
        let (points, values, digest) = taken(2, &write);
        assert_eq!((points.len(), values.len()), (290, 0));
        assert!(digest.trouble.is_none());
    }

    #[test]
    fn more_points_than_a_fragment_can_hold_are_said() {
        let read: Vec<u8> =
            std::iter::repeat_n([1, 0, 0x17, 255].into_iter().chain(0..255), 65).flatten().collect();
        let (points, _, digest) = taken(1, &read);
        assert_eq!(points.len(), MOST);
        assert_eq!(digest.trouble.map(|trouble| trouble.label()), Some("too-many-points"));
    }
}
