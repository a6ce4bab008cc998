//! Where things stand on the map: groups in rows by their level, devices in columns within their group, lines between
//! their edges. All lengths are units of the picture, from its top left corner.

use super::plan::{End, Group, Line, Plan};
use std::collections::BTreeMap;

/// A rectangle.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Box {
    pub x: f64,
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Box {
    /// Its lower edge.
    pub fn bottom(self) -> f64 {
        self.y + self.height
    }

    /// Its right edge.
    pub fn right(self) -> f64 {
        self.x + self.width
    }

    fn middle(self) -> (f64, f64) {
        (self.x + self.width / 2.0, self.y + self.height / 2.0)
    }
}

/// A line from one point to another, bent at two more.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Curve(pub [(f64, f64); 4]);

impl Curve {
    /// Its middle.
    pub fn middle(self) -> (f64, f64) {
        let [a, b, c, d] = self.0;
        let at = |a: f64, b: f64, c: f64, d: f64| (a + 3.0 * b + 3.0 * c + d) / 8.0;
        (at(a.0, b.0, c.0, d.0), at(a.1, b.1, c.1, d.1))
    }
}

/// Where everything stands.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Places {
    /// Each group of the plan.
    pub groups: Vec<Box>,
    /// Each device of each group.
    pub members: Vec<Vec<Box>>,
    /// Each line of the plan.
    pub lines: Vec<Curve>,
    /// The whole picture.
    pub width: f64,
    /// The whole picture.
    pub height: f64,
}

/// Sizes that go with how many devices there are.
struct Sizes {
    /// The picture.
    width: f64,
    /// A device.
    tile: (f64, f64),
    /// Between devices.
    gap: (f64, f64),
}

const LARGE: Sizes = Sizes { width: 1200.0, tile: (176.0, 46.0), gap: (22.0, 26.0) };
const SMALL: Sizes = Sizes { width: 1600.0, tile: (138.0, 24.0), gap: (8.0, 7.0) };

/// Between the edge of a group and its devices.
const PADDING: f64 = 14.0;
/// The name of a group.
const HEAD: f64 = 30.0;
/// Between two groups of a row.
const ASIDE: f64 = 36.0;
/// Between two rows, where lines run.
const BELOW: f64 = 74.0;
/// Around the picture.
const EDGE: f64 = 10.0;
/// The least width of a group.
const LEAST: f64 = 240.0;
/// The line that says how many devices are only counted.
const COUNTED: f64 = 26.0;

/// Finds a place for everything.
pub fn places(plan: &Plan) -> Places {
    let sizes = if plan.large { &LARGE } else { &SMALL };
    let mut places = Places { width: sizes.width, ..Places::default() };
    let mut y = EDGE;
    let mut from = 0;
    while let Some(first) = plan.groups.get(from) {
        let level = first.level.round();
        let row = plan.groups.iter().skip(from).take_while(|group| group.level.round() == level);
        let row: Vec<(f64, f64, usize)> = row.map(|group| size(group, sizes)).collect();
        let mut rest = row.as_slice();
        while !rest.is_empty() {
            let mut used = 0.0;
            let fits = |(width, ..): &&(f64, f64, usize)| {
                let needed: f64 = used + width + if used > 0.0 { ASIDE } else { 0.0 };
                let fits = used == 0.0 || needed <= sizes.width - 2.0 * EDGE;
                if fits {
                    used = needed;
                }
                fits
            };
            let count = rest.iter().take_while(fits).count();
            let (here, more) = rest.split_at(count);
            let mut x = (sizes.width - used) / 2.0;
            for (width, height, columns) in here {
                let group = Box { x, y, width: *width, height: *height };
                let members = plan.groups.get(places.groups.len()).map_or(0, |group| group.members.len());
                places.members.push((0..members).map(|place| tile(group, place, *columns, sizes)).collect());
                places.groups.push(group);
                x += width + ASIDE;
            }
            y += here.iter().map(|(_, height, _)| *height).fold(0.0, f64::max) + BELOW;
            rest = more;
        }
        from += row.len();
    }
    places.height = (y - BELOW + EDGE).max(HEAD);
    places.lines = lines(plan, &places);
    places
}

/// Width, height and columns of a group.
fn size(group: &Group, sizes: &Sizes) -> (f64, f64, usize) {
    let (wide, high) = (sizes.tile.0 + sizes.gap.0, sizes.tile.1 + sizes.gap.1);
    let most = ((sizes.width - 2.0 * (EDGE + PADDING) + sizes.gap.0) / wide).floor().max(1.0);
    let count = group.members.len() as f64;
    // About twice as wide as high.
    let columns = (count * 2.0 * high / wide).sqrt().ceil().clamp(1.0, most);
    let rows = (count / columns).ceil();
    let width = (columns * wide - sizes.gap.0 + 2.0 * PADDING).max(LEAST);
    let counted = if group.counted > 0 { COUNTED } else { 0.0 };
    let height = HEAD + (rows * high - sizes.gap.1).max(0.0) + counted + PADDING;
    (width, height, columns as usize)
}

fn tile(group: Box, place: usize, columns: usize, sizes: &Sizes) -> Box {
    let (column, row) = (place % columns.max(1), place / columns.max(1));
    Box {
        x: group.x + PADDING + column as f64 * (sizes.tile.0 + sizes.gap.0),
        y: group.y + HEAD + row as f64 * (sizes.tile.1 + sizes.gap.1),
        width: sizes.tile.0,
        height: sizes.tile.1,
    }
}

/// The edge of a box that a line begins at.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Edge {
    Top,
    Bottom,
    Left,
    Right,
}

fn lines(plan: &Plan, places: &Places) -> Vec<Curve> {
    let of = |end: End| match end {
        End::Group(group) => places.groups.get(group).copied(),
        End::Member(group, member) => places.members.get(group).and_then(|all| all.get(member)).copied(),
    };
    let boxes = |line: &Line| line.ends.map(|end| of(end).unwrap_or_default());
    let edges: Vec<[Edge; 2]> = plan.lines.iter().map(|line| edges(boxes(line))).collect();
    // The lines at one edge of one box stand side by side, sorted by where they go, so that few cross.
    let mut at: BTreeMap<(End, Edge), Vec<(f64, usize)>> = BTreeMap::new();
    for (number, (line, edges)) in plan.lines.iter().zip(&edges).enumerate() {
        let [a, b] = boxes(line);
        for (end, edge, other) in [(line.ends[0], edges[0], b), (line.ends[1], edges[1], a)] {
            let towards = match edge {
                Edge::Top | Edge::Bottom => other.middle().0,
                Edge::Left | Edge::Right => other.middle().1,
            };
            at.entry((end, edge)).or_default().push((towards, number));
        }
    }
    at.values_mut().for_each(|all| all.sort_by(|a, b| a.0.total_cmp(&b.0)));
    let port = |end: End, edge: Edge, number: usize| {
        let all = at.get(&(end, edge)).map(Vec::as_slice).unwrap_or_default();
        let place = all.iter().position(|(_, line)| *line == number).unwrap_or(0);
        let part = (place + 1) as f64 / (all.len() + 1) as f64;
        let area = of(end).unwrap_or_default();
        match edge {
            Edge::Top => (area.x + part * area.width, area.y),
            Edge::Bottom => (area.x + part * area.width, area.bottom()),
            Edge::Left => (area.x, area.y + part * area.height),
            Edge::Right => (area.right(), area.y + part * area.height),
        }
    };
    let numbered = plan.lines.iter().zip(edges).enumerate();
    numbered
        .map(|(number, (line, edges))| {
            let ends = [port(line.ends[0], edges[0], number), port(line.ends[1], edges[1], number)];
            bend(ends, edges)
        })
        .collect()
}

/// The edges that face each other.
fn edges([a, b]: [Box; 2]) -> [Edge; 2] {
    if a.bottom() <= b.y {
        [Edge::Bottom, Edge::Top]
    } else if b.bottom() <= a.y {
        [Edge::Top, Edge::Bottom]
    } else if a.right() <= b.x {
        [Edge::Right, Edge::Left]
    } else {
        [Edge::Left, Edge::Right]
    }
}

fn bend([a, b]: [(f64, f64); 2], edges: [Edge; 2]) -> Curve {
    let away = |(x, y): (f64, f64), edge: Edge| {
        let far = match edge {
            Edge::Top | Edge::Bottom => ((b.1 - a.1).abs() / 2.0).clamp(12.0, 70.0),
            Edge::Left | Edge::Right => ((b.0 - a.0).abs() / 2.0).clamp(8.0, 70.0),
        };
        match edge {
            Edge::Top => (x, y - far),
            Edge::Bottom => (x, y + far),
            Edge::Left => (x - far, y),
            Edge::Right => (x + far, y),
        }
    };
    Curve([a, away(a, edges[0]), away(b, edges[1]), b])
}

#[cfg(test)]
mod tests {
    use super::super::plan::{Kind, Member};
    use super::*;
    use crate::address::Address;
    use crate::inventory::Role;

    fn group(name: &str, level: f64, members: usize) -> Group {
        let member = |number: usize| Member {
            address: Address::V4(std::net::Ipv4Addr::from(number as u32)),
            name: format!("plc-{number}"),
            role: Role::Plc,
            open: None,
        };
        Group {
            name: name.into(),
            kind: Kind::Zone,
            level,
            members: (0..members).map(member).collect(),
            counted: 0,
            open: None,
        }
    }

    fn apart(a: Box, b: Box) -> bool {
        a.right() <= b.x || b.right() <= a.x || a.bottom() <= b.y || b.bottom() <= a.y
    }

    fn within(inner: Box, outer: Box) -> bool {
        inner.x >= outer.x
            && inner.y >= outer.y
            && inner.right() <= outer.right()
            && inner.bottom() <= outer.bottom()
    }

    #[test]
    fn nothing_stands_on_anything_else_however_many_there_are() {
        for sizes in [vec![1, 2, 3], vec![40], vec![500, 1, 30, 30], vec![100; 6], vec![1; 40]] {
            let groups = sizes
                .iter()
                .enumerate()
                .map(|(n, size)| group(&format!("z{n}"), 3.0 - (n % 3) as f64, *size));
            let mut groups: Vec<Group> = groups.collect();
            groups.sort_by(|a, b| b.level.total_cmp(&a.level));
            let large = sizes.iter().sum::<usize>() <= 40;
            let plan = Plan { groups, large, ..Plan::default() };
            let places = places(&plan);
            let all = Box { x: 0.0, y: 0.0, width: places.width, height: places.height };
            assert_eq!(places.groups.len(), plan.groups.len());
            for (number, group) in places.groups.iter().enumerate() {
                assert!(within(*group, all), "{group:?} is outside the picture {all:?}");
                assert!(places.groups.iter().skip(number + 1).all(|other| apart(*group, *other)));
                for (place, member) in places.members[number].iter().enumerate() {
                    assert!(within(*member, *group));
                    assert!(
                        places.members[number].iter().skip(place + 1).all(|other| apart(*member, *other))
                    );
                }
            }
        }
    }

    #[test]
    fn a_line_runs_from_edge_to_facing_edge() {
        let line = |ends| Line { ends, protocols: Default::default(), messages: 1, commands: 0, open: None };
        let plan = Plan {
            groups: vec![group("up", 3.0, 1), group("down", 1.0, 2)],
            lines: vec![line([End::Member(0, 0), End::Member(1, 1)]), line([End::Group(0), End::Group(1)])],
            large: true,
            ..Plan::default()
        };
        let places = places(&plan);
        let [from, .., to] = places.lines[0].0;
        let (up, down) = (places.members[0][0], places.members[1][1]);
        assert_eq!((from.1, to.1), (up.bottom(), down.y));
        assert!(from.0 > up.x && from.0 < up.right() && to.0 > down.x && to.0 < down.right());
        assert_eq!(places.lines[1].0[0].1, places.groups[0].bottom());
    }
}
