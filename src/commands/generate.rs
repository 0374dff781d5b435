//! `classifyd completions` and `classifyd man`: made from the command line's own description.

use anyhow::Context as _;
use clap::{CommandFactory, Parser};
use clap_complete::Shell;

use super::{Cli, Failure, stdout};

/// What `completions` takes.
#[derive(Debug, Parser)]
#[command(after_help = COMPLETIONS_EXAMPLES)]
pub struct CompletionsArguments {
    /// The shell
    shell: Shell,
}

/// What `man` takes.
#[derive(Debug, Parser)]
#[command(after_help = MAN_EXAMPLES)]
pub struct ManArguments {
    /// A subcommand's page instead of the overview
    subcommand: Option<String>,
}

const COMPLETIONS_EXAMPLES: &str = "\
Examples:
  classifyd completions bash > /etc/bash_completion.d/classifyd
  classifyd completions zsh > ~/.zfunc/_classifyd";

const MAN_EXAMPLES: &str = "\
Examples:
  classifyd man | man -l -
  classifyd man replay > classifyd-replay.1";

/// Runs `completions`.
pub fn completions(arguments: &CompletionsArguments) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "classifyd", &mut script);
    Ok(stdout::print(String::from_utf8_lossy(&script))?)
}

/// Runs `man`.
pub fn man(arguments: &ManArguments) -> Result<(), Failure> {
    let mut command = Cli::command();
    command.build();
    let page = match &arguments.subcommand {
        None => clap_mangen::Man::new(command),
        Some(name) => {
            let subcommand = command.find_subcommand(name);
            let subcommand = subcommand.ok_or_else(|| {
                Failure::usage(format!("there is no subcommand {name}; see `classifyd --help`"))
            })?;
            clap_mangen::Man::new(subcommand.clone())
        }
    };
    let mut text = Vec::new();
    page.render(&mut text).context("cannot write the manual page")?;
    Ok(stdout::print(String::from_utf8_lossy(&text))?)
}
