//! The picture: SVG, grey where all is well. Colour, a sign and a number stand where alerts are open.

use super::places::{Box, Places};
use super::plan::{End, Group, Kind, Line, Member, Plan};
use crate::inventory::Role;
use crate::web::layout::shape;
use crate::web::open_alerts::Open;
use crate::web::site::Site;
use crate::web::words::{counted, grouped};
use maud::{Markup, PreEscaped, html};
use std::fmt::Write;

/// Letters that fit on a device that is drawn large, and small.
const LETTERS: [usize; 2] = [19, 17];

/// Draws a plan at its places.
pub fn picture(site: &Site, plan: &Plan, places: &Places) -> Markup {
    let size = format!("0 0 {:.0} {:.0}", places.width, places.height);
    html! {
        svg.map viewBox=(size) width=(num(places.width)) height=(num(places.height)) role="group" aria-label="Map of the plant" {
            @let strokes = html! { @for (line, curve) in plan.lines.iter().zip(&places.lines) { (stroke(plan, line, path(curve.0))) } };
            // Lines between groups run behind other groups, lines between devices into their own.
            @if plan.bundled { (strokes) }
            @for (group, area) in plan.groups.iter().zip(&places.groups) { (ground(site, group, *area)) }
            @if !plan.bundled { (strokes) }
            @for ((group, area), tiles) in plan.groups.iter().zip(&places.groups).zip(&places.members) {
                (label(site, group, *area))
                @for (member, tile) in group.members.iter().zip(tiles) { (device(site, member, *tile, plan.large)) }
            }
            @for (line, curve) in plan.lines.iter().zip(&places.lines) {
                @if let Some(open) = line.open { (mark(site, plan, line, open, curve.middle())) }
            }
        }
    }
}

fn num(value: f64) -> PreEscaped<String> {
    PreEscaped(format!("{value:.1}"))
}

fn path(points: [(f64, f64); 4]) -> String {
    let [a, b, c, d] = points;
    let mut path = format!("M{:.1} {:.1}C", a.0, a.1);
    for (x, y) in [b, c, d] {
        let _ = write!(path, "{x:.1} {y:.1} ");
    }
    path
}

/// The class that a state gives to what is drawn.
fn class(open: Option<Open>) -> &'static str {
    open.map_or("well", |open| open.worst.name())
}

fn ground(site: &Site, group: &Group, area: Box) -> Markup {
    let kind = if group.kind == Kind::Zone { "zone" } else { "network" };
    html! {
        g.group.(kind) {
            rect x=(num(area.x)) y=(num(area.y)) width=(num(area.width)) height=(num(area.height)) {}
            @if group.counted > 0 {
                a href=(site.link(&only(group))) {
                    text.more x=(num(area.x + 14.0)) y=(num(area.bottom() - 14.0)) {
                        @if group.members.is_empty() { (counted(group.counted as u64, "device")) } @else { "and " (grouped(group.counted as u64)) " more" }
                        " \u{2192}"
                    }
                }
            }
        }
    }
}

/// The address of the map with one group only.
pub fn only(group: &Group) -> String {
    let query: String =
        form_urlencoded::Serializer::new(String::new()).append_pair("zone", &group.name).finish();
    format!("map?{query}")
}

/// A group's name, on top of lines that cross it.
fn label(site: &Site, group: &Group, area: Box) -> Markup {
    let count = group.members.len() + group.counted;
    let most = ((area.width - 80.0) / 7.5) as usize;
    html! {
        a href=(site.link(&only(group))) {
            title { (group.name) ": " (counted(count as u64, "device")) }
            text.zone-name x=(num(area.x + 14.0)) y=(num(area.y + 20.0)) { (cut(&group.name, most)) }
        }
        text.zone-count x=(num(area.right() - 14.0)) y=(num(area.y + 20.0)) text-anchor="end" {
            (grouped(count as u64))
        }
    }
}

/// A name of at most so many letters.
fn cut(name: &str, most: usize) -> String {
    if name.chars().count() <= most {
        return name.to_owned();
    }
    name.chars().take(most.saturating_sub(1)).chain(['\u{2026}']).collect()
}

fn stroke(plan: &Plan, line: &Line, path: String) -> Markup {
    // Thickness says how much is said, in three steps of a thousand.
    let weight = match line.messages {
        0..1_000 => "thin",
        1_000..1_000_000 => "middle",
        _ => "thick",
    };
    html! {
        path.talk.(weight).(class(line.open)) d=(path) { title { (said(plan, line)) } }
    }
}

/// A line in words.
pub fn said(plan: &Plan, line: &Line) -> String {
    let [a, b] = line.ends.map(|end| name(plan, end));
    let protocols: Vec<&str> = line.protocols.iter().copied().collect();
    let mut said = format!("{a} \u{2013} {b}");
    if !protocols.is_empty() {
        let _ = write!(said, ": {}, {}", protocols.join(", "), counted(line.messages, "message"));
    }
    if line.commands > 0 {
        let _ = write!(said, ", {}", counted(line.commands, "command"));
    }
    if let Some(open) = line.open {
        let _ = write!(said, "; {}, the worst {}", counted(open.count, "open alert"), open.worst.name());
    }
    said
}

/// The name of an end.
pub fn name(plan: &Plan, end: End) -> &str {
    let group = |group: usize| plan.groups.get(group);
    let name = match end {
        End::Group(place) => group(place).map(|group| &group.name),
        End::Member(place, member) => {
            group(place).and_then(|group| group.members.get(member)).map(|member| &member.name)
        }
    };
    name.map_or("", String::as_str)
}

fn device(site: &Site, member: &Member, tile: Box, large: bool) -> Markup {
    let role = member.role.name();
    let label = match member.open {
        None => format!("{}, {role}", member.name),
        Some(open) => format!(
            "{}, {role}, {}, the worst {}",
            member.name,
            counted(open.count, "open alert"),
            open.worst.name()
        ),
    };
    let silent = member.role == Role::Silent;
    let name = cut(&member.name, if large { LETTERS[0] } else { LETTERS[1] });
    let x = tile.x + if member.open.is_some() { 27.0 } else { 10.0 };
    html! {
        a.device.(class(member.open)).silent[silent] href=(site.link(&format!("devices/{}", member.address))) aria-label=(label) {
            title { (label) " (" (member.address) ")" }
            rect x=(num(tile.x)) y=(num(tile.y)) width=(num(tile.width)) height=(num(tile.height)) {}
            @if let Some(open) = member.open {
                svg.sign x=(num(tile.x + 7.0)) y=(num(tile.y + if large { 9.0 } else { 5.0 })) width="14" height="14" viewBox="0 0 16 16" { (shape(open.worst)) }
            }
            text.name x=(num(x)) y=(num(tile.y + if large { 20.0 } else { 16.0 })) { (name) }
            @if large {
                text.role x=(num(x)) y=(num(tile.y + 37.0)) {
                    (role)
                    @if let Some(open) = member.open { " \u{b7} " (counted(open.count, "alert")) }
                }
            }
        }
    }
}

/// The sign on a line with open alerts.
fn mark(site: &Site, plan: &Plan, line: &Line, open: Open, (x, y): (f64, f64)) -> Markup {
    let of = |end: End| match end {
        End::Group(_) => None,
        End::Member(group, member) => Some(plan.groups.get(group)?.members.get(member)?.address),
    };
    let sign = html! {
        rect x=(num(x - 22.0)) y=(num(y - 11.0)) width="44" height="22" rx="11" {}
        svg.sign x=(num(x - 15.0)) y=(num(y - 7.0)) width="14" height="14" viewBox="0 0 16 16" { (shape(open.worst)) }
        text x=(num(x + 3.0)) y=(num(y + 4.5)) { @if open.count > 99 { "99+" } @else { (open.count) } }
    };
    html! {
        @match line.ends.map(of) {
            [Some(a), Some(b)] => {
                a.mark.(class(line.open)) href=(site.link(&format!("alerts?host={a}&peer={b}&state=new&state=acknowledged"))) aria-label=(said(plan, line)) {
                    title { (said(plan, line)) }
                    (sign)
                }
            }
            _ => g.mark.(class(line.open)) { title { (said(plan, line)) } (sign) }
        }
    }
}
