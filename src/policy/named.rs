//! Points with names: `[points]`, as lists in a protocol's own terms, as single points with their limits, and as CSV
//! files that an engineer exports.

use super::document::{Document, Node, Word, entries, integer, meant, number};
use super::layers;
use super::limits::{read_point, read_points_text};
use super::names::Names;
use super::places::Place;
use super::problem::{Problem, Source};
use super::rule::{Limits, NamedPoint, Scale, Span};
use crate::event::Vocabulary;
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use toml::Spanned;
use toml::de::{DeString, DeTable};

/// Most points that a CSV file may have.
const MOST_ROWS: usize = 1_000_000;
/// Most errors of a CSV file that are shown.
const MOST_ERRORS: usize = 20;

/// What a name under `[points]` stands for.
enum Entry<'n> {
    /// A list in a protocol's own terms, and other names.
    List { words: Vec<Word<'n>>, file: usize },
    /// Points that were described one by one, by their place.
    Points(Vec<u32>),
}

/// Every name under `[points]`.
#[derive(Default)]
pub(super) struct PointNames<'n> {
    entries: HashMap<String, Entry<'n>>,
    pub points: Vec<Arc<NamedPoint>>,
    /// The layer of each.
    layers: Vec<usize>,
}

/// What a rule's `points` come to.
#[derive(Default)]
pub(super) struct Resolved {
    pub spans: Vec<Span>,
    pub plain: Vec<Span>,
    pub named: Vec<Arc<NamedPoint>>,
    /// How many words were followed.
    steps: usize,
}

const KEYS: [&str; 9] = ["at", "of", "protocol", "low", "high", "scale", "offset", "measure", "csv"];

impl<'n> PointNames<'n> {
    /// Reads `[points]` of all files.
    pub(super) fn read<'t>(
        documents: &'n [Document<'t>],
        words: &[&'static Vocabulary],
        names: &mut Names<'n, 't>,
        problems: &mut Vec<Problem>,
    ) -> Self {
        let mut all = PointNames::default();
        let mut layer_of: HashMap<String, usize> = HashMap::new();
        for (file, document) in documents.iter().enumerate() {
            let Some(node) = document.table.get("points") else { continue };
            let table = match document.table_of("points", node) {
                Ok(table) => table,
                Err(problem) => {
                    problems.push(problem);
                    continue;
                }
            };
            for (key, node) in entries(table) {
                let name: &str = key.get_ref();
                match layer_of.get(name) {
                    Some(layer) if *layer < document.layer => continue,
                    Some(_) => {
                        problems.push(
                            document.error(key.span(), format!("points named '{name}' are already there")),
                        );
                        continue;
                    }
                    None => drop(layer_of.insert(name.to_owned(), document.layer)),
                }
                let result = match node.get_ref().as_table() {
                    None => document.strings(name, node).map(|words| Entry::List { words, file }),
                    Some(table) if table.get("csv").is_some() => {
                        problems.extend(check_keys(document, table, words).err());
                        let beside =
                            entries(table).into_iter().find(|(key, _)| key.get_ref().as_ref() != "csv");
                        if let Some((key, _)) = beside.filter(|(key, _)| is_known(key.get_ref(), words)) {
                            let message = format!("'{}' has no place beside 'csv'", key.get_ref());
                            let problem = document.error(key.span(), message);
                            problems.push(problem.help("the file has a column for it"));
                        }
                        all.csv(document, table.get("csv").unwrap_or(node), words, names).map(Entry::Points)
                    }
                    Some(_) => all
                        .single(file, document, name, node, words, names)
                        .map(|point| Entry::Points(vec![all.add(point, document.layer)]))
                        .map_err(|problem| vec![problem]),
                };
                match result {
                    Ok(entry) => drop(all.entries.insert(name.to_owned(), entry)),
                    Err(more) => problems.extend(more),
                }
            }
        }
        // A point of a CSV file goes by its own name too, where nothing else has it. Several of one name, in the
        // uppermost layer that has it, are meant together.
        let mut by_name: HashMap<&str, (usize, Vec<u32>)> = HashMap::new();
        for (number, point) in (0u32..).zip(&all.points) {
            let layer = all.layers.get(number as usize).copied().unwrap_or(0);
            let (first, numbers) = by_name.entry(&point.name).or_insert_with(|| (layer, Vec::new()));
            if layer == *first {
                numbers.push(number);
            }
        }
        let by_name = by_name.into_iter().map(|(name, (_, numbers))| (name.to_owned(), numbers));
        for (name, numbers) in by_name {
            all.entries.entry(name).or_insert(Entry::Points(numbers));
        }
        all
    }

    /// One point, described in a table.
    fn single<'t>(
        &mut self,
        file: usize,
        document: &'n Document<'t>,
        name: &str,
        node: &'n Node<'t>,
        words: &[&'static Vocabulary],
        names: &mut Names<'n, 't>,
    ) -> Result<NamedPoint, Problem> {
        let table = document.table_of(name, node)?;
        check_keys(document, table, words)?;
        let Some(at) = table.get("at") else {
            let problem = document.error(node.span(), format!("point '{name}' does not say where it is"));
            return Err(problem.help("add at = \"holding:100\""));
        };
        let at = document.string("at", at)?;
        let vocabulary = match table.get("protocol") {
            Some(node) => {
                let word = document.string("protocol", node)?;
                protocol(words, word.text).map_err(|message| document.error(word.span.clone(), message))?
            }
            None => by_space(words, at.text)
                .map_err(|message| document.error(at.span.clone(), message).help("add protocol = \"…\""))?,
        };
        let other = |(key, _): &(&Spanned<DeString<'_>>, _)| {
            let key: &str = key.get_ref();
            key != vocabulary.device_key && words.iter().any(|words| words.device_key == key)
        };
        if let Some((key, _)) = entries(table).into_iter().find(other) {
            let message = format!(
                "'{}' is not a word of {}; did you mean '{}'?",
                key.get_ref(),
                vocabulary.name,
                vocabulary.device_key
            );
            return Err(document.error(key.span(), message));
        }
        let span = read_point(document, &at, vocabulary)?;
        let float = |key: &str| match table.get(key) {
            None => Ok(None),
            Some(node) => number(node).map(Some).ok_or_else(|| document.wrong_type(key, node, "a number")),
        };
        let measure = table.get("measure").map(|node| document.string("measure", node)).transpose()?;
        let scale = Scale {
            factor: float("scale")?.unwrap_or(1.0),
            offset: float("offset")?.unwrap_or(0.0),
            measure: measure.map_or(String::new(), |word| word.text.to_owned()),
        };
        let limits = bounds(float("low")?, float("high")?, &scale)
            .map_err(|message| document.error(node.span(), message))?;
        let device = match table.get(vocabulary.device_key) {
            None => None,
            Some(node) => Some(
                integer(node)
                    .and_then(|number| u32::try_from(number).ok())
                    .ok_or_else(|| document.wrong_type(vocabulary.device_key, node, "a whole number"))?,
            ),
        };
        let places = match table.get("of") {
            None => Vec::new(),
            Some(node) => {
                let words = document.strings("of", node).map_err(|mut more| more.swap_remove(0))?;
                names.places(file, &words)?
            }
        };
        Ok(NamedPoint {
            name: name.to_owned(),
            at: places,
            protocol: vocabulary.id,
            device,
            span,
            limits,
            scale,
        })
    }

    fn add(&mut self, point: NamedPoint, layer: usize) -> u32 {
        self.layers.push(layer);
        self.points.push(Arc::new(point));
        self.points.len() as u32 - 1
    }

    /// The points of a CSV file: a header line, then a point a line.
    fn csv<'t>(
        &mut self,
        document: &'n Document<'t>,
        node: &Node<'t>,
        words: &[&'static Vocabulary],
        names: &mut Names<'n, 't>,
    ) -> Result<Vec<u32>, Vec<Problem>> {
        let word = document.string("csv", node).map_err(|problem| vec![problem])?;
        let folder = Path::new(document.source.name()).parent().unwrap_or(Path::new(""));
        let path = folder.join(word.text);
        let text = layers::read(&path).map_err(|problem| {
            let message = problem.message().replace("cannot read rules", "cannot read points");
            vec![
                document
                    .error(word.span.clone(), message)
                    .help("the path is looked up from the folder of this file"),
            ]
        })?;
        let table = Table::read(&path.display().to_string(), &text)?;
        let mut numbers = Vec::new();
        let mut problems = Vec::new();
        for row in &table.rows {
            match table.point(row, words, names) {
                Ok(point) => numbers.push(self.add(point, document.layer)),
                Err(problem) => problems.push(problem),
            }
            if problems.len() > MOST_ERRORS {
                problems.truncate(MOST_ERRORS);
                let message = "there are more errors in this file";
                problems.push(Problem::error(&table.source, row.1.clone(), message));
                break;
            }
        }
        if problems.is_empty() { Ok(numbers) } else { Err(problems) }
    }

    /// What one entry of a rule's `points` stands for.
    pub(super) fn resolve(
        &self,
        documents: &[Document<'_>],
        file: usize,
        word: &Word<'_>,
        vocabulary: &Vocabulary,
        depth: usize,
        out: &mut Resolved,
    ) -> Result<(), Problem> {
        let document = &documents[file];
        out.steps += 1;
        if out.steps > MOST_ROWS {
            let message = format!("these are more than {MOST_ROWS} points");
            return Err(document.error(word.span.clone(), message));
        }
        let Some(name) = word.text.strip_prefix('@') else {
            let span = read_point(document, word, vocabulary)?;
            out.spans.push(span);
            out.plain.push(span);
            return Ok(());
        };
        match self.entries.get(name) {
            Some(Entry::List { words, file }) if depth < 16 => words
                .iter()
                .try_for_each(|word| self.resolve(documents, *file, word, vocabulary, depth + 1, out)),
            Some(Entry::List { .. }) => {
                Err(document.error(word.span.clone(), format!("the points '{name}' contain themselves")))
            }
            Some(Entry::Points(numbers)) => {
                for point in numbers.iter().filter_map(|number| self.points.get(*number as usize)) {
                    if point.protocol != vocabulary.id {
                        let message = format!("point '{}' is not one of {}", point.name, vocabulary.name);
                        return Err(document.error(word.span.clone(), message));
                    }
                    out.spans.push(point.span);
                    out.named.push(point.clone());
                }
                out.steps = out.steps.saturating_add(numbers.len());
                Ok(())
            }
            None => {
                let mut known: Vec<&str> = self.entries.keys().map(String::as_str).collect();
                known.sort_unstable();
                let message = format!("no points are named '{name}'{}", meant(name, &known));
                Err(document.error(word.span.clone(), message).help("name them under [points]"))
            }
        }
    }
}

fn is_known(key: &str, words: &[&'static Vocabulary]) -> bool {
    KEYS.contains(&key) || words.iter().any(|words| words.device_key == key)
}

/// Every key of a point must be one of the language.
fn check_keys(
    document: &Document<'_>,
    table: &DeTable<'_>,
    words: &[&'static Vocabulary],
) -> Result<(), Problem> {
    let known: Vec<&str> = KEYS.into_iter().chain(words.iter().map(|words| words.device_key)).collect();
    let strange = entries(table).into_iter().find(|(key, _)| !is_known(key.get_ref(), words));
    strange.map_or(Ok(()), |(key, _)| Err(document.unknown_key(key, &known)))
}

/// Limits of a point in its unit of measure.
fn bounds(low: Option<f64>, high: Option<f64>, scale: &Scale) -> Result<Option<Limits>, String> {
    if scale.factor == 0.0 || !scale.factor.is_finite() || !scale.offset.is_finite() {
        return Err("the scale is a factor other than 0".to_owned());
    }
    let text = match (low, high) {
        (None, None) => return Ok(None),
        (Some(low), Some(high)) if low > high => {
            return Err(format!("the lowest value {low} is above the highest {high}"));
        }
        (Some(low), Some(high)) => format!("{low} to {high}"),
        (Some(low), None) => format!("at least {low}"),
        (None, Some(high)) => format!("at most {high}"),
    };
    let range = low.unwrap_or(f64::NEG_INFINITY)..=high.unwrap_or(f64::INFINITY);
    Ok(Some(Limits { ranges: vec![range], names: Vec::new(), text, scale: scale.clone() }))
}

fn protocol(words: &[&'static Vocabulary], name: &str) -> Result<&'static Vocabulary, String> {
    words.iter().find(|words| words.name == name).copied().ok_or_else(|| {
        let known: Vec<&str> = words.iter().map(|words| words.name).collect();
        format!("unknown protocol '{name}'{}", meant(name, &known))
    })
}

/// The one protocol that has points of this kind.
fn by_space(words: &[&'static Vocabulary], at: &str) -> Result<&'static Vocabulary, String> {
    let space = at.split_once(':').map_or(at, |(space, _)| space);
    let mut having = words.iter().filter(|words| (words.parse_space)(space).is_some());
    match (having.next(), having.next()) {
        (Some(one), None) => Ok(one),
        (Some(_), Some(_)) => Err(format!("several protocols have points called '{space}'")),
        (None, _) => Err(format!("no protocol has points called '{space}'")),
    }
}

/// A CSV file of points.
struct Table {
    source: Source,
    /// The columns by their names, in lower case.
    columns: Vec<String>,
    /// Each row with where it starts and ends in the text.
    rows: Vec<(csv::StringRecord, std::ops::Range<usize>)>,
    /// Numbers have a comma for their decimal point.
    commas: bool,
}

/// Columns by what they may be called.
const COLUMNS: [(&str, &[&str]); 10] = [
    ("name", &["name", "tag", "point"]),
    ("device", &["device", "host"]),
    ("space", &["space", "type"]),
    ("address", &["address", "index"]),
    ("measure", &["measure", "unit of measure", "unit_of_measure", "engineering unit"]),
    ("low", &["low", "min", "minimum"]),
    ("high", &["high", "max", "maximum"]),
    ("scale", &["scale", "factor"]),
    ("offset", &["offset"]),
    ("protocol", &["protocol"]),
];

/// The start of the first line at or after a place that is neither empty nor a comment.
fn first_written(text: &str, at: usize) -> usize {
    let mut at = at;
    for line in text.get(at..).unwrap_or_default().split_inclusive('\n') {
        if !line.trim().is_empty() && !line.starts_with('#') {
            break;
        }
        at += line.len();
    }
    at.min(text.len())
}

impl Table {
    fn read(name: &str, text: &str) -> Result<Table, Vec<Problem>> {
        let source = Source::new(name, text);
        let skipped = text.len() - text.trim_start_matches('\u{feff}').len();
        let body = text.get(skipped..).unwrap_or_default();
        let written = |line: &&str| !line.trim().is_empty() && !line.starts_with('#');
        let header = body.lines().find(written).unwrap_or_default();
        // Where the decimal point is a comma, spreadsheets put semicolons between cells.
        let commas = header.contains(';') && !header.contains(',');
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(if commas { b';' } else { b',' })
            .trim(csv::Trim::All)
            .comment(Some(b'#'))
            .from_reader(body.as_bytes());
        let line = |at: usize| {
            let rest = text.get(at..).unwrap_or_default();
            at..at + rest.find('\n').unwrap_or(rest.len())
        };
        let columns = match reader.headers() {
            Ok(record) => record.iter().map(str::to_lowercase).collect::<Vec<_>>(),
            Err(error) => return Err(vec![Problem::error(&source, 0..0, format!("not CSV: {error}"))]),
        };
        let table = Table { source, columns, rows: Vec::new(), commas };
        for (wanted, _) in COLUMNS.iter().take(4).filter(|(wanted, _)| *wanted != "device") {
            if table.column(wanted).is_none() {
                let message = format!("the file has no column '{wanted}'");
                let help =
                    "the first line names the columns: name, device, space, address, measure, low, high";
                let at = line(first_written(text, skipped));
                return Err(vec![Problem::error(&table.source, at, message).help(help)]);
            }
        }
        let mut rows = Vec::new();
        for record in reader.into_records() {
            let record = match record {
                Ok(record) => record,
                Err(error) => {
                    let at = error.position().map_or(0, |position| position.byte() as usize) + skipped;
                    let at = first_written(text, at);
                    let message = match error.kind() {
                        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                            format!("this line has {len} cells, the first one {expected_len}")
                        }
                        _ => format!("not CSV: {error}"),
                    };
                    return Err(vec![Problem::error(&table.source, line(at.min(text.len())), message)]);
                }
            };
            let at = record.position().map_or(0, |position| position.byte() as usize) + skipped;
            rows.push((record, line(first_written(text, at))));
            if rows.len() > MOST_ROWS {
                let message = format!("a file of points has at most {MOST_ROWS} lines");
                return Err(vec![Problem::error(&table.source, line(at), message)]);
            }
        }
        Ok(Table { rows, ..table })
    }

    fn column(&self, name: &str) -> Option<usize> {
        let (_, called) = COLUMNS.iter().find(|(column, _)| *column == name)?;
        self.columns.iter().position(|column| called.contains(&column.as_str()))
    }

    /// Where a cell stands in its line, without its quotes.
    fn cell(&self, line: &str, column: usize) -> Option<std::ops::Range<usize>> {
        let delimiter = if self.commas { ';' } else { ',' };
        let mut quoted = false;
        let mut ends: Vec<usize> = vec![0];
        for (at, c) in line.char_indices() {
            quoted ^= c == '"';
            if c == delimiter && !quoted {
                ends.extend([at, at + 1]);
            }
        }
        ends.push(line.len());
        let (from, to) = (*ends.get(column * 2)?, *ends.get(column * 2 + 1)?);
        let cell = line.get(from..to)?;
        let plain = cell.trim_matches(|c: char| c.is_whitespace() || c == '"');
        let from = from + cell.find(plain).filter(|_| !plain.is_empty())?;
        Some(from..from + plain.len())
    }

    /// The point of a row.
    fn point(
        &self,
        (record, span): &(csv::StringRecord, std::ops::Range<usize>),
        words: &[&'static Vocabulary],
        names: &mut Names<'_, '_>,
    ) -> Result<NamedPoint, Problem> {
        let cell = |name: &str| {
            self.column(name).and_then(|column| record.get(column)).filter(|cell| !cell.is_empty())
        };
        let at = |column: Option<usize>| {
            let inside = column.and_then(|column| self.cell(self.source.words(span), column));
            inside.map_or(span.clone(), |at| span.start + at.start..span.start + at.end)
        };
        let wrong =
            |name: &str, message: String| Problem::error(&self.source, at(self.column(name)), message);
        let need = |name: &str| cell(name).ok_or_else(|| wrong("", format!("this line has no {name}")));
        let (space, address) = (need("space")?, need("address")?);
        let vocabulary = match cell("protocol") {
            Some(name) => protocol(words, name),
            None => by_space(words, space),
        };
        let vocabulary = vocabulary.map_err(|message| {
            let named = if cell("protocol").is_some() { "protocol" } else { "space" };
            wrong(named, message)
        })?;
        let span = read_points_text(&format!("{space}:{address}"), vocabulary)
            .map_err(|(message, _)| wrong("address", message))?;
        let float = |name: &str| match cell(name) {
            None => Ok(None),
            Some(text) => {
                let plain = if self.commas { text.replace(',', ".") } else { text.to_owned() };
                let number = plain.parse::<f64>().ok().filter(|number| number.is_finite());
                number.map(Some).ok_or_else(|| wrong(name, format!("'{text}' is not a number")))
            }
        };
        let scale = Scale {
            factor: float("scale")?.unwrap_or(1.0),
            offset: float("offset")?.unwrap_or(0.0),
            measure: cell("measure").unwrap_or_default().to_owned(),
        };
        let limits = bounds(float("low")?, float("high")?, &scale).map_err(|message| wrong("", message))?;
        let own = self.columns.iter().position(|column| column == vocabulary.device_key);
        let device = match own.and_then(|column| record.get(column)).filter(|cell| !cell.is_empty()) {
            None => None,
            Some(text) => Some(text.parse::<u32>().map_err(|_| {
                let message = format!("'{text}' is not a {}", vocabulary.device_title);
                let problem = Problem::error(&self.source, at(own), message);
                problem.help("a unit of measure goes into a column named 'measure'")
            })?),
        };
        let places: Vec<Place> = match cell("device") {
            None => Vec::new(),
            Some(name) => names.host_places(name).ok_or_else(|| {
                let known = names.known();
                wrong("device", format!("unknown host '{name}'{}", meant(name, &known)))
                    .help("give it an address under [hosts]")
            })?,
        };
        let name = need("name")?.to_owned();
        Ok(NamedPoint { name, at: places, protocol: vocabulary.id, device, span, limits, scale })
    }
}
