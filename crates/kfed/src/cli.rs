//! The command line.

use clap::{Parser, Subcommand};

use crate::{demo, dns, schedule, verbs};

/// Kubernetes federation for Azure: plain objects in one API, spread over many clusters and published in Azure DNS
#[derive(Debug, Parser)]
#[command(name = "kfed", version, max_term_width = 120, after_help = EXAMPLES, arg_required_else_help = true)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  kfed demo                 federate objects over two emulated clusters, then stay up for kubectl and dig
  kfed demo --once          the whole walk-through with a failover, verified step by step
  kfed controller-manager --context myfederation --federation-name myfederation \\
      --dns-zone-name example.com --dns-provider-config dns.conf
  kfed join fed-west --context myfederation --cluster-context fed-west
  kfed explain deploy web --context myfederation    where is it, and why?
  kfed schedule -f web.yaml --remove fed-west    where do its replicas go? offline, without touching anything
  kfed dns plan -f fleet.yaml  what would change in the zone, offline
  kfed dns audit --context myfederation --dns-provider-config dns.conf    does anything dangle in the zone?

KFED_LOG (or RUST_LOG) sets what is logged to stderr: error, warn (default), info, debug, trace.";

/// What can be done.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Demo(demo::Args),
    Join(verbs::join::Args),
    Unjoin(verbs::unjoin::Args),
    Status(verbs::status::Args),
    Explain(verbs::explain::Args),
    Approve(verbs::approve::Args),
    ControllerManager(verbs::controller_manager::Args),
    Schedule(schedule::Args),
    /// Show what a federation's zone holds, and what it should hold
    #[command(subcommand)]
    Dns(dns::Command),
    Apiserver(verbs::apiserver::Args),
    /// Emulate Azure DNS or a member cluster on this machine
    #[command(subcommand)]
    Emulate(verbs::emulate::Command),
    Completion(verbs::completion::Args),
    Version(verbs::version::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn v1s_flag_for_the_federations_context_is_understood() {
        let cli =
            Cli::try_parse_from(["kfed", "join", "fed-west", "--host-cluster-context=HOST", "--cluster-context=W"]);
        assert!(matches!(cli.unwrap().command, Command::Join(args) if args.place.context.as_deref() == Some("HOST")));
    }
}
