//! The outermost layer: arguments to settings to commands to an exit code. The only room that
//! knows all the others.
//!
//! Standard output is data and has one door, `output`; everything for people goes to standard
//! error through `console`. Errors become words and exit codes in `failure`. No secret passes
//! through either: credentials live apart, in `credentials`.

pub mod args;
pub mod commands;
pub mod config_file;
pub mod console;
pub mod context;
pub mod credentials;
pub mod environment;
pub mod exit;
pub mod failure;
pub mod logging;
pub mod output;
pub mod panic;
pub mod settings;
pub mod signals;
pub mod trust;
pub mod values;

use std::ffi::OsString;
use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, ConfigAction, ConfigArgs};
use console::{Console, Stderr, wants_color};
use context::Context;
use environment::Environment;
use exit::Exit;
use failure::Failure;
use output::Out;
use settings::Layers;
use trust::TrustState;
use values::ColorChoice;

/// Runs the command line of this process.
///
/// With the feature `failpoints` the variable `FAILPOINTS` says where the process is to die:
/// `store-after-commit=10*off->return` aborts it after its eleventh commit.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _armed = fail::FailScenario::setup();
    let env = Environment::system();
    panic::install(&env);
    panic::guarded(|| run(std::env::args_os(), env)).into()
}

/// Runs a command line. Help and version end with success, a wrong command line with code 2.
pub fn run(args: impl IntoIterator<Item = OsString>, env: Environment) -> Exit {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => return told_by_clap(&error),
    };
    let console = early_console(&cli, &env);
    let ended = match cli.command {
        Command::Completions(args) => commands::completions::run(&args, Out::stdout()),
        // Before the file is read as configuration: it may be refused until it is trusted.
        Command::Config(ConfigArgs {
            action: Some(ConfigAction::Trust(args)),
            ..
        }) => commands::trust(&args, &env, &console),
        _ => match (prepare(&cli, env), &cli.command) {
            // Doctor is what people call when the configuration is broken.
            (Err(failure), Command::Doctor(args)) => {
                commands::doctor_without_settings(args, &failure)
            }
            (ctx, _) => ctx.and_then(|ctx| dispatch(&ctx, cli.command)),
        },
    };
    ended.unwrap_or_else(|failure| {
        console.error(&failure);
        failure.exit
    })
}

/// Help and version go to standard output, a wrong command line to standard error.
fn told_by_clap(error: &clap::Error) -> Exit {
    // Nobody is left to tell if this cannot be printed.
    if !error.use_stderr() {
        let _ = error.print();
        return Exit::Success;
    }
    let text = error.render();
    let text = if wants_color(ColorChoice::Auto) {
        text.ansi().to_string()
    } else {
        text.to_string()
    };
    let _ = Stderr::system().write_all(text.as_bytes());
    Exit::Usage
}

/// For errors of the configuration itself, with what flags and environment say of colour.
fn early_console(cli: &Cli, env: &Environment) -> Console {
    let layers = Layers {
        env: env.clone(),
        global: cli.global.clone(),
        ..Layers::default()
    };
    let color = wants_color(layers.color());
    Console::new(Stderr::system(), color, cli.global.quiet)
}

fn prepare(cli: &Cli, env: Environment) -> Result<Context, Failure> {
    let layers = Layers::load(cli, env, Path::new("."))?;
    let settings = layers.settings(None)?;
    let output = &settings.output;
    let color = wants_color(output.color);
    let console = Console::new(Stderr::system(), color, output.quiet);
    // After the settings, which say how much is logged; what fails before goes to the console.
    logging::install(settings.verbose, color, console.stderr().clone());
    Ok(Context {
        trust: TrustState::of(&layers.env),
        layers,
        settings,
        console,
    })
}

fn dispatch(ctx: &Context, command: Command) -> Result<Exit, Failure> {
    match &command {
        Command::Config(args) => return commands::config(ctx, args),
        Command::Explain(args) => return commands::explain(ctx, args),
        _ => {}
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| {
            Failure::internal(
                "the machine gives this process no threads",
                "close other programs or raise the limit of processes (ulimit -u), then try again",
            )
            .because(error.to_string())
        })?;
    let ended = runtime.block_on(command_future(ctx, command));
    // What is still blocked in a thread (a name lookup, say) must not hold back the exit.
    runtime.shutdown_background();
    ended
}

async fn command_future(ctx: &Context, command: Command) -> Result<Exit, Failure> {
    signals::survive_file_limit();
    match command {
        Command::Submit(args) => commands::submit(ctx, *args).await,
        Command::Resume(args) => commands::resume(ctx, *args).await,
        Command::Status(args) => commands::status(ctx, args).await,
        Command::Batches(args) => commands::batches(ctx, args).await,
        Command::Attempts(args) => commands::attempts(ctx, args).await,
        Command::Export(args) => commands::export(ctx, args).await,
        Command::Report(args) => commands::report(ctx, args).await,
        Command::Retry(args) => commands::retry(ctx, args).await,
        Command::Cancel(args) => commands::cancel(ctx, args).await,
        Command::Check(args) => commands::check(ctx, args).await,
        Command::Doctor(args) => commands::doctor(ctx, &args).await,
        Command::Verify(args) => commands::verify(ctx, args).await,
        Command::Simulate(args) => commands::simulate(ctx, args).await,
        Command::Explain(args) => commands::explain(ctx, &args),
        Command::Config(args) => commands::config(ctx, &args),
        Command::Completions(args) => commands::completions::run(&args, Out::stdout()),
    }
}
