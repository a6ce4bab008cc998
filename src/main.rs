//! The `wayside` command: parses arguments, starts logging, calls a command.

fn main() -> std::process::ExitCode {
    wayside::cli::main()
}
