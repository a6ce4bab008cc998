//! Charts as SVG, drawn on the server: no script, no inline style, a title for who cannot see them.

use maud::{Markup, PreEscaped, html};
use std::fmt::Write as _;

/// Width of a small chart, in its own units.
const WIDTH: f64 = 240.0;
/// Height of a small chart.
const HEIGHT: f64 = 44.0;

/// How the values are drawn.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// An area from zero: counts.
    Area,
    /// A line: measurements; it is broken where there is none.
    Line,
}

/// A small chart of evenly spaced values. `title` says in words what it shows, the last value among it.
pub fn spark(values: &[Option<f64>], shape: Shape, title: &str) -> Markup {
    let most = values.iter().flatten().copied().fold(0.0, f64::max);
    let scale = if most > 0.0 { (HEIGHT - 2.0) / most } else { 0.0 };
    let step = WIDTH / (values.len().max(2) - 1) as f64;
    let place = |at: usize, value: f64| (at as f64 * step, HEIGHT - 1.0 - value * scale);
    let path = match shape {
        Shape::Area => area(values, place),
        Shape::Line => line(values, place),
    };
    let class = match shape {
        Shape::Area => "area",
        Shape::Line => "line",
    };
    html! {
        svg.spark viewBox=(format!("0 0 {WIDTH} {HEIGHT}")) preserveAspectRatio="none" role="img" aria-label=(title) {
            title { (title) }
            line.base x1="0" y1=(HEIGHT - 0.5) x2=(WIDTH) y2=(HEIGHT - 0.5) {}
            path class=(class) d=(path) {}
        }
    }
}

fn area(values: &[Option<f64>], place: impl Fn(usize, f64) -> (f64, f64)) -> String {
    let mut path = String::new();
    let _ = write!(path, "M0 {:.1}", HEIGHT - 1.0);
    for (at, value) in values.iter().enumerate() {
        let (x, y) = place(at, value.unwrap_or(0.0));
        let _ = write!(path, "L{x:.1} {y:.1}");
    }
    let (x, _) = place(values.len().saturating_sub(1), 0.0);
    let _ = write!(path, "L{x:.1} {:.1}Z", HEIGHT - 1.0);
    path
}

fn line(values: &[Option<f64>], place: impl Fn(usize, f64) -> (f64, f64)) -> String {
    let mut path = String::new();
    let mut pen_down = false;
    for (at, value) in values.iter().enumerate() {
        match value {
            Some(value) => {
                let (x, y) = place(at, *value);
                let _ = write!(path, "{}{x:.1} {y:.1}", if pen_down { "L" } else { "M" });
                // A value that stands alone is a dot.
                if !pen_down && values.get(at + 1).is_none_or(Option::is_none) {
                    let _ = write!(path, "h1");
                }
                pen_down = true;
            }
            None => pen_down = false,
        }
    }
    path
}

/// A limit drawn into a chart.
#[derive(Clone, Debug)]
pub struct Limit {
    /// The lowest and the highest value that may be.
    pub from: f64,
    /// The highest.
    pub to: f64,
    /// The rule that says so.
    pub rule: String,
}

/// A larger chart of values over time, with a scale and the limits of rules. Times are nanoseconds.
pub fn history(samples: &[(i64, f64)], limits: &[Limit], title: &str, times: [String; 2]) -> Markup {
    const W: f64 = 640.0;
    const H: f64 = 200.0;
    const LEFT: f64 = 64.0;
    let of_limits = limits.iter().flat_map(|limit| [limit.from, limit.to]).filter(|value| value.is_finite());
    let all = samples.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).chain(of_limits);
    let (low, high) =
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(value), high.max(value)));
    let (low, high) = match (low.is_finite(), high > low) {
        (true, true) => (low, high),
        (true, false) => (low - 1.0, low + 1.0),
        (false, _) => (0.0, 1.0),
    };
    let margin = (high - low) * 0.06;
    let (low, high) = (low - margin, high + margin);
    let y = |value: f64| 8.0 + (high - value.clamp(low, high)) / (high - low) * (H - 32.0);
    let begin = samples.first().map_or(0, |sample| sample.0);
    let long = samples.last().map_or(0, |sample| sample.0).saturating_sub(begin).max(1) as f64;
    let x = |nanos: i64| LEFT + nanos.saturating_sub(begin) as f64 / long * (W - LEFT - 8.0);
    let mut path = String::new();
    for (at, (nanos, value)) in samples.iter().filter(|(_, value)| value.is_finite()).enumerate() {
        let _ = match at {
            0 => write!(path, "M{:.1} {:.1}", x(*nanos), y(*value)),
            // A value holds until the next one.
            _ => write!(path, "H{:.1}V{:.1}", x(*nanos), y(*value)),
        };
    }
    if samples.len() == 1 {
        path.push_str("h6");
    }
    html! {
        svg.history viewBox=(format!("0 0 {W} {H}")) role="img" aria-label=(title) {
            title { (title) }
            @for limit in limits {
                rect.within x=(LEFT) y=(num(y(limit.to))) width=(W - LEFT - 8.0) height=(num(y(limit.from) - y(limit.to))) {
                    title { (limit.rule) ": " (span(limit)) }
                }
                @for (value, above) in [(limit.to, -3.0), (limit.from, 12.0)] { @if value.is_finite() {
                    line.limit x1=(LEFT) x2=(W - 8.0) y1=(num(y(value))) y2=(num(y(value))) {}
                    text.limit x=(W - 10.0) y=(num(y(value) + above)) text-anchor="end" { "limit " (short(value)) }
                } }
            }
            @for value in ticks(low, high) {
                line.grid x1=(LEFT) x2=(W - 8.0) y1=(num(y(value))) y2=(num(y(value))) {}
                text x=(LEFT - 6.0) y=(num(y(value) + 4.0)) text-anchor="end" { (short(value)) }
            }
            path.line d=(path) {}
            text x=(LEFT) y=(H - 4.0) { (times[0]) }
            text x=(W - 8.0) y=(H - 4.0) text-anchor="end" { (times[1]) }
        }
    }
}

/// What a limit allows, in words.
fn span(limit: &Limit) -> String {
    match (limit.from.is_finite(), limit.to.is_finite()) {
        (true, true) => format!("{} to {}", short(limit.from), short(limit.to)),
        (true, false) => format!("{} or more", short(limit.from)),
        (false, true) => format!("{} or less", short(limit.to)),
        (false, false) => "any value".into(),
    }
}

/// Three or four round values between two.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let raw = (high - low) / 3.0;
    let power = 10f64.powf(raw.log10().floor());
    let step =
        [1.0, 2.0, 5.0, 10.0].into_iter().map(|of| of * power).find(|step| *step >= raw).unwrap_or(raw);
    let begin = (low / step).ceil() as i64;
    (begin..begin.saturating_add(6)).map(|at| at as f64 * step).take_while(|value| *value <= high).collect()
}

/// A number as short as it may be.
pub fn short(value: f64) -> String {
    if value == value.trunc() && value.abs() < 1e9 {
        format!("{value:.0}")
    } else {
        format!("{value:.4}").trim_end_matches('0').to_owned()
    }
}

fn num(value: f64) -> PreEscaped<String> {
    PreEscaped(format!("{value:.1}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_nothing_was_measured() {
        let svg =
            spark(&[Some(1.0), Some(2.0), None, Some(4.0)], Shape::Line, "answers, <now> 4 ms").into_string();
        assert!(svg.contains("M0.0 32.5L80.0 22.0M240.0 1.0h1"), "{svg}");
        assert!(svg.contains("answers, &lt;now&gt; 4 ms") && !svg.contains("style"), "{svg}");
    }

    #[test]
    fn any_values_can_be_drawn() {
        for samples in [
            vec![],
            vec![(5, 3.0)],
            vec![(1, f64::NAN), (2, f64::INFINITY)],
            vec![(0, -1e300), (i64::MAX, 1e300)],
        ] {
            let limits = [Limit { from: f64::NEG_INFINITY, to: 4.0, rule: "r".into() }];
            let svg = history(&samples, &limits, "t", [String::new(), String::new()]).into_string();
            assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        }
        assert_eq!(ticks(0.0, 10.0), [0.0, 5.0, 10.0]);
    }
}
