//! `claude-run simulate`: a local imitation of the API.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::cli::args::SimulateArgs;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::output::Out;
use crate::cli::signals::Signals;
use crate::simulator::{
    BatchSettings, Case, ClassLimits, FaultRate, Latency, RateLimits, Simulator, SimulatorSettings,
};

/// Serves until it is told to stop.
pub async fn simulate(ctx: &Context, args: SimulateArgs) -> Result<Exit, Failure> {
    if args.list_faults {
        return list_faults();
    }
    let addr = SocketAddr::from((Ipv4Addr::LOCALHOST, args.port));
    let simulator = Simulator::start_on(addr, settings(&args)?).map_err(|error| {
        Failure::internal(
            format!("the simulator cannot listen on {addr}"),
            "choose another port with --port (0 takes any free one)",
        )
        .because(error.to_string())
    })?;
    let url = simulator.base_url();
    ctx.console.note(format!(
        "an imitation of the Claude API answers at {url}; nothing it says is real"
    ));
    ctx.console.note(format!(
        "try: ANTHROPIC_API_KEY=any claude-run submit FILE --base-url {url}   (what it saw: {url}/_simulator/stats)"
    ));
    let mut signals = Signals::listen()?;
    signals.next().await;
    simulator.shutdown().await;
    Ok(Exit::Success)
}

/// Every case, and what it does.
fn list_faults() -> Result<Exit, Failure> {
    let mut out = Out::stdout();
    let width = Case::all().map(|case| case.name().len()).max();
    let width = width.unwrap_or_default();
    for case in Case::all() {
        out.line(format!("{:width$}  {}", case.name(), case.about()))?;
    }
    out.finish()?;
    Ok(Exit::Success)
}

fn settings(args: &SimulateArgs) -> Result<SimulatorSettings, Failure> {
    let seed = args.seed.unwrap_or_default();
    let mut settings = if args.lively {
        SimulatorSettings::lively(seed)
    } else {
        SimulatorSettings {
            seed,
            ..SimulatorSettings::default()
        }
    };
    if let Some(median) = args.latency {
        settings.latency = Latency {
            median,
            ..settings.latency
        };
    }
    settings.instance = fastrand::u64(1..);
    set_batches(&mut settings.batches, args);
    let faults = args
        .faults
        .iter()
        .map(|text| fault(text))
        .collect::<Result<Vec<_>, _>>()?;
    settings.faults.extend(faults);
    if args.rpm.is_some() || args.itpm.is_some() || args.otpm.is_some() {
        let limit = |given: Option<u64>| {
            given.map_or(u32::MAX, |given| u32::try_from(given).unwrap_or(u32::MAX))
        };
        settings.limits = Some(RateLimits::same_for_all(ClassLimits {
            requests_per_minute: limit(args.rpm),
            input_tokens_per_minute: limit(args.itpm),
            output_tokens_per_minute: limit(args.otpm),
            burst: Duration::from_mins(1),
        }));
    }
    Ok(settings)
}

fn set_batches(batches: &mut BatchSettings, args: &SimulateArgs) {
    batches.takes = args.batch_takes.unwrap_or(batches.takes);
    batches.clock = args.batch_clock.unwrap_or(batches.clock);
    batches.stall_at = args.batch_stall.or(batches.stall_at);
    batches.queue_limit = args.batch_queue.or(batches.queue_limit);
    batches.script = args.batch_script.clone().or_else(|| batches.script.take());
}

/// `CASE=RATE`, such as `529=0.05`.
fn fault(text: &str) -> Result<FaultRate, Failure> {
    let wrong = |why: String| {
        Failure::usage(
            format!("`--fault {text}` cannot be used"),
            "write CASE=RATE, such as --fault 529=0.05 --fault reset=0.01",
        )
        .because(why)
    };
    let (case, rate) = text
        .rsplit_once('=')
        .ok_or_else(|| wrong("there is no `=`".to_owned()))?;
    let probability = rate
        .parse()
        .ok()
        .filter(|rate| (0.0..=1.0).contains(rate))
        .ok_or_else(|| wrong(format!("`{rate}` is not a rate between 0 and 1")))?;
    let case: Case = case.parse().map_err(wrong)?;
    Ok(FaultRate { case, probability })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn of(flags: &str) -> SimulatorSettings {
        let line = ["claude-run", "simulate"];
        let cli = Cli::parse_from(line.into_iter().chain(flags.split_whitespace()));
        let Command::Simulate(args) = cli.command else {
            panic!("not `simulate`");
        };
        settings(&args).unwrap()
    }

    #[test]
    fn the_flags_of_batches_reach_the_simulator() {
        let quiet = SimulatorSettings::default().batches;
        assert_eq!(of("").batches, quiet);
        let told = BatchSettings {
            takes: Duration::from_hours(1),
            clock: 360.0,
            stall_at: Some(0.4),
            queue_limit: Some(7),
            script: Some("lost-answer".parse().unwrap()),
            ..quiet
        };
        let flags = "--batch-takes 1h --batch-clock 360 --batch-stall 0.4 --batch-queue 7 --batch-script lost-answer";
        assert_eq!(of(flags).batches, told);
        assert_eq!(of("--lively").batches, SimulatorSettings::lively(0).batches);
    }
}
