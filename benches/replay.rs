//! What watching costs beside reading: whole replays and `tcpdump -r FILE -w /dev/null` over the same file, in turn,
//! on one core. `make bench` prints the tables of docs/performance.md.
//!
//!     make bench [ONLY=replay|dense|rules|flows|workers|start] [ROUNDS=11] [CAPTURE=FILE] [COPIES=170]
//!
//! Times are CPU time (user and system) of the process, start-up included. A ratio is that of the two runs of one
//! round, beside each other in time; of all rounds the median, the least and the most are printed. Where there is no
//! tcpdump, a bare libpcap loop takes its place. The captures are made once and kept in `target/tmp/bench`
//! (about 1.6 GB).

mod made;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use wait4::Wait4;

const WAYSIDE: &str = env!("CARGO_BIN_EXE_wayside");

/// Asks this program to be the bare libpcap loop.
const LOOP: &str = "--libpcap-loop";

/// Packets in each of the captures that differ in conversations only: four a conversation where they are a million.
const POLLS: u32 = 4_000_000;

/// Packets of the dense mix.
const DENSE: u64 = 2_000_000;

/// A part of the bench: its name, and what it does.
type Part = (&'static str, fn(&Bench));

fn main() {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some(LOOP) {
        return libpcap(&arguments.next().expect("a capture"));
    }
    let bench = Bench::new();
    println!("{}\n", bench.machine());
    let parts: [Part; 6] = [
        ("replay", replay),
        ("dense", dense),
        ("rules", rules),
        ("flows", flows),
        ("workers", workers),
        ("start", start),
    ];
    match std::env::var("ONLY").ok().filter(|only| !only.is_empty()) {
        None => parts.iter().for_each(|(_, run)| run(&bench)),
        Some(only) => match parts.iter().find(|(name, _)| *name == only) {
            Some((_, run)) => run(&bench),
            None => {
                eprintln!("ONLY is one of {}", parts.map(|(name, _)| name).join(", "));
                std::process::exit(2);
            }
        },
    }
}

/// What every part needs.
struct Bench {
    folder: PathBuf,
    rounds: usize,
    /// `taskset -c N`, or nothing where there is no taskset.
    pin: Vec<String>,
    has_tcpdump: bool,
}

/// What the system says of a process that has ended.
#[derive(Clone, Copy)]
struct Run {
    cpu: f64,
    wall: f64,
    /// Octets of memory, at most.
    memory: u64,
}

/// One candidate: its name, its command, and what it took in each round.
struct Candidate {
    name: String,
    command: Vec<String>,
    runs: Vec<Run>,
}

impl Candidate {
    fn wayside(name: &str, arguments: &[&str]) -> Candidate {
        let command = [WAYSIDE, "replay", "--quiet"].iter().chain(arguments).map(|a| (*a).to_owned());
        Candidate { name: name.to_owned(), command: command.collect(), runs: Vec::new() }
    }

    fn least(&self, of: impl Fn(&Run) -> f64) -> f64 {
        self.runs.iter().map(of).fold(f64::INFINITY, f64::min)
    }

    /// The ratios to another candidate, round by round: median, least, most.
    fn ratios(&self, other: &Candidate, of: impl Fn(&Run) -> f64) -> [f64; 3] {
        let mut ratios: Vec<f64> = self.runs.iter().zip(&other.runs).map(|(a, b)| of(a) / of(b)).collect();
        ratios.sort_by(f64::total_cmp);
        [ratios[ratios.len() / 2], ratios[0], ratios[ratios.len() - 1]]
    }
}

impl Bench {
    fn new() -> Bench {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench");
        std::fs::create_dir_all(&folder).expect("a folder can be made in target");
        let there = |program: &str| {
            let mut asked = Command::new(program);
            asked.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
            asked.status().is_ok_and(|status| status.success())
        };
        let rounds = std::env::var("ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(11);
        let pin = match last_core() {
            Some(core) if there("taskset") => ["taskset", "-c", &core].map(str::to_owned).to_vec(),
            _ => Vec::new(),
        };
        Bench { folder, rounds, pin, has_tcpdump: there("tcpdump") }
    }

    fn machine(&self) -> String {
        let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        format!(
            "{cores} × {}; {} rounds in turn, {}; wayside {}",
            model.map_or("unknown processor", |(_, name)| name),
            self.rounds,
            if self.pin.is_empty() { "not pinned to a core" } else { "each process pinned to one core" },
            env!("CARGO_PKG_VERSION")
        )
    }

    /// The yardstick over this file.
    fn reading(&self, file: &Path) -> Candidate {
        let file = file.display().to_string();
        let (name, command) = if self.has_tcpdump {
            (
                "`tcpdump -r FILE -w /dev/null`",
                ["tcpdump", "-r", &file, "-w", "/dev/null"].map(str::to_owned).to_vec(),
            )
        } else {
            let this = std::env::current_exe().expect("this program has a path").display().to_string();
            ("bare libpcap loop (no tcpdump here)", vec![this, LOOP.to_owned(), file])
        };
        Candidate { name: name.to_owned(), command, runs: Vec::new() }
    }

    fn run(&self, command: &[String], pinned: bool) -> Run {
        let words: Vec<&String> =
            if pinned { self.pin.iter().chain(command).collect() } else { command.iter().collect() };
        let began = Instant::now();
        let mut child = Command::new(words[0])
            .args(&words[1..])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", words[0]));
        let ended = child.wait4().expect("a child can be waited for");
        let wall = began.elapsed().as_secs_f64();
        assert!(ended.status.success(), "{command:?} failed");
        let cpu = (ended.rusage.utime + ended.rusage.stime).as_secs_f64();
        Run { cpu, wall, memory: ended.rusage.maxrss }
    }

    /// Runs all candidates once to warm up, then in turn, round by round.
    fn rounds(&self, candidates: &mut [Candidate], pinned: bool) {
        for round in 0..=self.rounds {
            for candidate in &mut *candidates {
                let run = self.run(&candidate.command, pinned);
                if round > 0 {
                    candidate.runs.push(run);
                }
            }
        }
    }

    /// Prints a table of candidates over one file, the first of which is the yardstick.
    fn table(&self, title: &str, packets: u64, mut candidates: Vec<Candidate>) {
        self.rounds(&mut candidates, true);
        println!("{title}\n");
        println!("| what | CPU, least | ratio, median (least to most) | a packet | memory |");
        println!("|---|---|---|---|---|");
        for candidate in &candidates {
            let cpu = candidate.least(|run| run.cpu);
            let [median, least, most] = candidate.ratios(&candidates[0], |run| run.cpu);
            let memory = candidate.runs.iter().map(|run| run.memory).max().unwrap_or(0);
            println!(
                "| {} | {cpu:.3} s | {median:.2} ({least:.2} to {most:.2}) | {:.0} ns | {:.1} MB |",
                candidate.name,
                cpu * 1e9 / packets as f64,
                memory as f64 / 1e6
            );
        }
        println!();
    }

    /// How many messages Wayside finds in a file, in its own words.
    fn found(&self, file: &Path) -> String {
        let output = Command::new(WAYSIDE).arg("replay").arg(file).output().expect("wayside runs");
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        let lines = text
            .lines()
            .map(str::trim)
            .filter(|line| line.contains(" messages: ") || line.contains(" conversations, "));
        let lines: Vec<&str> = lines.map(|line| line.split(": ").next().unwrap_or(line)).collect();
        lines
            .iter()
            .map(|line| line.split(" conversations,").next().unwrap_or(line))
            .collect::<Vec<_>>()
            .join(", ")
            + " conversations"
    }
}

/// The last core that this process may use: interrupts favour the first.
fn last_core() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
    Some(list.trim().rsplit([',', '-']).next()?.to_owned())
}

/// The capture that is multiplied: the one named, or a well-known public one where it lies beside the project, or
/// the project's own.
fn amplified(bench: &Bench) -> (PathBuf, u64) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let copies = std::env::var("COPIES").ok().and_then(|copies| copies.parse().ok());
    let beside = root.join("../shared/captures/iti/modbustcp__mb2.pcap");
    let (capture, usual) = match std::env::var_os("CAPTURE").filter(|path| !path.is_empty()) {
        Some(path) => (PathBuf::from(path), 170),
        None if beside.exists() => (beside, 170),
        None => (root.join("captures/demo-plant.pcap"), 1_000),
    };
    made::amplified(&bench.folder, &capture, copies.unwrap_or(usual))
}

/// The whole pipeline in each of its uses over one file.
fn uses(bench: &Bench, title: &str, (file, packets): (PathBuf, u64)) {
    let rules = made::rules(&bench.folder, 1_000).display().to_string();
    let path = file.display().to_string();
    let found = bench.found(&file);
    bench.table(
        &format!("{title}: {packets} packets, {found}"),
        packets,
        vec![
            bench.reading(&file),
            Candidate::wayside("decode, metrics", &[&path]),
            Candidate::wayside(
                "decode, metrics, 1,000 rules",
                &["--rules", &rules, "--alerts", "/dev/null", &path],
            ),
            Candidate::wayside(
                "decode, metrics, every event as JSON to /dev/null",
                &["--events", "/dev/null", &path],
            ),
        ],
    );
}

fn replay(bench: &Bench) {
    let made = amplified(bench);
    let name = made.0.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    uses(bench, &format!("**Capture `{name}`**"), made);
}

fn dense(bench: &Bench) {
    let captures = ["modbus-functions", "dnp3-substation", "demo-plant"];
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("captures");
    let captures = captures.map(|name| root.join(name).with_extension("pcap"));
    uses(bench, "**Dense mix** of the project's recordings", made::dense(&bench.folder, &captures, DENSE));
}

fn rules(bench: &Bench) {
    let (file, packets) = amplified(bench);
    let path = file.display().to_string();
    let mut candidates = vec![bench.reading(&file)];
    for (count, name) in [(10, "10 rules"), (1_000, "1,000 rules"), (100_000, "100,000 rules, compiled")] {
        let rules = made::rules(&bench.folder, count).display().to_string();
        candidates.push(Candidate::wayside(name, &["--rules", &rules, "--alerts", "/dev/null", &path]));
        if count == 100_000 {
            // What reading and compiling them costs is in the table of the start; here it would hide the rest.
            let one = made::one(&bench.folder).display().to_string();
            candidates.push(Candidate::wayside(
                "100,000 rules, one packet",
                &["--rules", &rules, "--alerts", "/dev/null", &one],
            ));
        }
    }
    bench.rounds(&mut candidates, true);
    let [reading, ten, thousand, many, compiled] = candidates.as_mut_slice() else { return };
    for (run, less) in many.runs.iter_mut().zip(&compiled.runs) {
        run.cpu -= less.cpu;
    }
    println!("**Rules**: the same file; 100,000 rules less the time of reading and compiling them\n");
    println!(
        "| rules | CPU, least | ratio, median (least to most) | to 1,000 rules | memory |\n|---|---|---|---|---|"
    );
    for (count, candidate) in [("10", &*ten), ("1,000", thousand), ("100,000", many)] {
        let [median, least, most] = candidate.ratios(reading, |run| run.cpu);
        let [to, ..] = candidate.ratios(thousand, |run| run.cpu);
        let memory = candidate.runs.iter().map(|run| run.memory).max().unwrap_or(0) as f64 / 1e6;
        println!(
            "| {count} | {:.3} s | {median:.2} ({least:.2} to {most:.2}) | {to:.2} | {memory:.1} MB |",
            candidate.least(|run| run.cpu)
        );
    }
    println!("\n{packets} packets\n");
}

fn flows(bench: &Bench) {
    println!(
        "**Conversations**: {POLLS} packets of polls, shared by this many conversations, up to {} at once; \
         1,000 rules\n",
        made::AT_ONCE
    );
    let rules = made::rules(&bench.folder, 1_000).display().to_string();
    println!(
        "| conversations | CPU, least | ratio, median (least to most) | a packet | memory |\n|---|---|---|---|---|"
    );
    for flows in [1, 1_000, 1_000_000] {
        let (file, packets) = made::polls(&bench.folder, flows, POLLS);
        let path = file.display().to_string();
        let watching = Candidate::wayside("", &["--rules", &rules, "--alerts", "/dev/null", &path]);
        let mut candidates = [bench.reading(&file), watching];
        bench.rounds(&mut candidates, true);
        let [reading, watching] = &candidates;
        let [median, least, most] = watching.ratios(reading, |run| run.cpu);
        let memory = watching.runs.iter().map(|run| run.memory).max().unwrap_or(0) as f64 / 1e6;
        let cpu = watching.least(|run| run.cpu);
        let each = cpu * 1e9 / packets as f64;
        println!(
            "| {flows} | {cpu:.3} s | {median:.2} ({least:.2} to {most:.2}) | {each:.0} ns | {memory:.1} MB |"
        );
    }
    println!();
}

fn workers(bench: &Bench) {
    let help = Command::new(WAYSIDE).args(["replay", "--help"]).output().expect("wayside runs");
    if !String::from_utf8_lossy(&help.stdout).contains("--workers") {
        println!("**Workers**: this build has no `--workers`\n");
        return;
    }
    let (file, packets) = amplified(bench);
    let path = file.display().to_string();
    let rules = made::rules(&bench.folder, 1_000).display().to_string();
    let with = |count| {
        Candidate::wayside(count, &["--workers", count, "--rules", &rules, "--alerts", "/dev/null", &path])
    };
    // What this machine can give two cores: two processes with nothing in common, each with half of the packets.
    let [first, second] = halves(&file).map(|half| {
        let half = half.display().to_string();
        let Candidate { command, .. } =
            Candidate::wayside("", &["--workers", "1", "--rules", &rules, "--alerts", "/dev/null", &half]);
        command.iter().map(|word| format!("'{word}'")).collect::<Vec<_>>().join(" ")
    });
    let both = ["sh".to_owned(), "-c".to_owned(), format!("{first} & {second}; wait")].to_vec();
    let ceiling = Candidate {
        name: "two processes, half of the file each".to_owned(),
        command: both,
        runs: Vec::new(),
    };
    let mut candidates = [with("1"), with("2"), ceiling];
    bench.rounds(&mut candidates, false);
    println!("**Workers**: the same file, 1,000 rules, time on the clock, not pinned\n");
    println!(
        "| workers | time, least | times as fast, median (least to most) | packets a second | CPU, least |"
    );
    println!("|---|---|---|---|---|");
    for candidate in &candidates {
        let [median, least, most] = candidates[0].ratios(candidate, |run| run.wall);
        let wall = candidate.least(|run| run.wall);
        println!(
            "| {} | {wall:.3} s | {median:.2} ({least:.2} to {most:.2}) | {:.2} million | {:.3} s |",
            candidate.name,
            packets as f64 / wall / 1e6,
            candidate.least(|run| run.cpu)
        );
    }
    println!();
}

/// A capture cut in two between packets, half of them in each.
fn halves(file: &Path) -> [PathBuf; 2] {
    let octets = std::fs::read(file).expect("the capture is there");
    let mut borders = Vec::new();
    let mut at = 24;
    while let Some(length) = octets.get(at + 8..at + 12) {
        borders.push(at);
        at += 16 + u32::from_le_bytes(length.try_into().expect("four octets")) as usize;
    }
    let middle = borders[borders.len() / 2];
    let part = |name: &str, body: &[u8]| {
        let path = file.with_extension(name);
        let written = std::fs::write(&path, [&octets[..24], body].concat());
        written.expect("room on the disk");
        path
    };
    [part("first.pcap", &octets[24..middle]), part("second.pcap", &octets[middle..])]
}

fn start(bench: &Bench) {
    let one = made::one(&bench.folder).display().to_string();
    let version = vec![WAYSIDE.to_owned(), "--version".to_owned()];
    let mut candidates =
        vec![Candidate { name: "`wayside --version`".to_owned(), command: version, runs: Vec::new() }];
    candidates.push(Candidate::wayside("one packet, no rules", &[&one]));
    for (count, name) in [
        (10, "one packet, 10 rules"),
        (1_000, "one packet, 1,000 rules"),
        (100_000, "one packet, 100,000 rules"),
    ] {
        let rules = made::rules(&bench.folder, count).display().to_string();
        candidates.push(Candidate::wayside(name, &["--rules", &rules, "--alerts", "/dev/null", &one]));
    }
    bench.rounds(&mut candidates, true);
    println!("**Start**: from exec to the end of a replay, time on the clock\n");
    println!("| what | time, median (least to most) | memory |\n|---|---|---|");
    for candidate in &candidates {
        let mut times: Vec<f64> = candidate.runs.iter().map(|run| run.wall).collect();
        times.sort_by(f64::total_cmp);
        let shown = |seconds: f64| format!("{:.1?}", Duration::from_secs_f64(seconds));
        let memory = candidate.runs.iter().map(|run| run.memory).max().unwrap_or(0) as f64 / 1e6;
        println!(
            "| {} | {} ({} to {}) | {memory:.1} MB |",
            candidate.name,
            shown(times[times.len() / 2]),
            shown(times[0]),
            shown(times[times.len() - 1])
        );
    }
    println!();
}

/// Hands over every packet to nobody.
fn libpcap(file: &str) {
    let mut capture = pcap::Capture::from_file(file).expect("a capture");
    let mut octets = 0u64;
    while let Ok(packet) = capture.next_packet() {
        octets += u64::from(packet.header.len);
    }
    assert!(octets > 0);
}
