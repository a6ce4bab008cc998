//! The table of series in docs/prometheus.md is what `/metrics` says of itself. `WAYSIDE_BLESS=1` writes it anew.

use super::ours;
use wayside::metrics::Metrics;

const BEGIN: &str = "<!-- series -->\n";
const END: &str = "<!-- /series -->\n";

#[test]
fn every_series_is_documented_as_it_says_itself() {
    let metrics = Metrics::new();
    let mut rows: Vec<String> = metrics
        .described()
        .map(|series| {
            let labels = if series.labels.is_empty() {
                String::new()
            } else {
                format!("{{{}}}", series.labels.join(","))
            };
            format!("| `{}{labels}` | {} |\n", series.name, series.help)
        })
        .collect();
    rows.sort();
    assert!(rows.len() > 30);
    let table = format!("| series | meaning |\n|---|---|\n{}", rows.concat());
    let path = ours("docs/prometheus.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = text.split_once(BEGIN).unwrap();
    let (found, after) = rest.split_once(END).unwrap();
    if std::env::var_os("WAYSIDE_BLESS").is_some() {
        std::fs::write(&path, format!("{before}{BEGIN}{table}{END}{after}")).unwrap();
        return;
    }
    assert_eq!(found, table, "docs/prometheus.md: WAYSIDE_BLESS=1 writes the table anew");
}

/// A person reads it in Grafana: a whole sentence, not the name again.
#[test]
fn every_series_has_help_in_sentences() {
    for series in Metrics::new().described() {
        assert!(series.help.ends_with('.') && series.help.len() > 20, "{}: {}", series.name, series.help);
        assert!(series.help.starts_with(|first: char| first.is_uppercase()), "{}", series.help);
    }
}
