//! The command-line tool behind `cargo xtask`.

use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    match xtask::cli::Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            xtask::console::error(&error);
            ExitCode::FAILURE
        }
    }
}
