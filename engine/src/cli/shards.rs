//! Options of standalone shards, and `camonica-engine commit`, which makes one output of what they left.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::Command;
use crate::error::{Error, Result};
use crate::exec::spill::secret::SharedSecret;
use crate::job::parts::shards::{self, Shard, ShardOptions};
use crate::job::{EnrichJob, EtlJob, JobReport, ShredJob};

/// Options of a job that several processes do, each for itself.
#[derive(Debug, Args)]
#[command(next_help_heading = "Shards (several processes or hosts, without a cluster)")]
pub struct ShardArguments {
    /// Do one share of the job only, such as 1/3, 2/3 and 3/3 on three hosts; `commit` makes one output of all. A shard
    /// that was killed is started again in the same way
    #[arg(long, value_name = "I/N")]
    shard: Option<Shard>,
    /// Folder or s3:// place in which shards leave, sealed, what others need: needed by shred and etl; for enrich a log folder does
    #[arg(long, value_name = "URI", requires = "exchange_secret")]
    exchange: Option<String>,
    /// File with 32 bytes or more that all shards share, readable by its owner only: the key of the exchange is derived from it
    #[arg(long, value_name = "FILE", requires = "exchange")]
    exchange_secret: Option<PathBuf>,
    /// Seconds to wait for the other shards without any news of them
    #[arg(long, value_name = "SECONDS", default_value = "21600")]
    exchange_timeout: u64,
}

impl ShardArguments {
    /// Refuses them where a job is done as a whole, or in another way.
    ///
    /// # Errors
    /// `Config` that names the option.
    pub fn refuse(&self) -> Result<()> {
        if self.shard.is_some() {
            return Err(Error::config(
                "--shard: the shards of a job are processes of their own, and not tasks of a cluster or of `commit`; leave \
                 it out here",
            ));
        }
        if self.exchange.is_some() {
            return Err(Error::config(
                "--exchange: only shards (--shard I/N) and their commit use an exchange; leave it out, or say which shard \
                 this is",
            ));
        }
        Ok(())
    }

    fn options(&self, timeout: Duration) -> Result<ShardOptions> {
        Ok(ShardOptions {
            exchange: self.exchange.clone(),
            secret: self
                .exchange_secret
                .as_deref()
                .map(|path| SharedSecret::read("--exchange-secret", path))
                .transpose()?,
            timeout,
        })
    }

    /// Runs an enrich job, or a share of it.
    ///
    /// # Errors
    /// When the job fails.
    pub fn run_enrich(&self, job: &EnrichJob) -> Result<JobReport> {
        match self.shard {
            Some(shard) => shards::run_enrich(job, shard, &self.options(self.timeout())?),
            None => {
                self.refuse()?;
                job.run()
            }
        }
    }

    /// Runs a shred job, or a share of it.
    ///
    /// # Errors
    /// When the job fails.
    pub fn run_shred(&self, job: &ShredJob) -> Result<JobReport> {
        match self.shard {
            Some(shard) => shards::run_shred(job, shard, &self.options(self.timeout())?),
            None => {
                self.refuse()?;
                job.run()
            }
        }
    }

    /// Runs an etl job, or a share of it.
    ///
    /// # Errors
    /// When the job fails.
    pub fn run_etl(&self, job: &EtlJob) -> Result<JobReport> {
        match self.shard {
            Some(shard) => shards::run_etl(job, shard, &self.options(self.timeout())?),
            None => {
                self.refuse()?;
                job.run()
            }
        }
    }

    fn timeout(&self) -> Duration {
        Duration::from_secs(self.exchange_timeout)
    }

    fn of_commit(&self, wait: u64) -> Result<ShardOptions> {
        if self.shard.is_some() {
            return Err(Error::config(
                "--shard: the commit is of all shards (--shards N); leave it out here",
            ));
        }
        self.options(Duration::from_secs(wait))
    }
}

/// Options of `commit`.
#[derive(Debug, Args)]
pub struct CommitArguments {
    /// How many shards the job has: the N of their --shard I/N
    #[arg(long, value_name = "N")]
    shards: u32,
    /// Seconds to wait for shards that have not ended, without any news of them [default: not at all]
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "0",
        hide_default_value = true
    )]
    wait: u64,
    /// The job, with the options that its shards had, but without --shard
    #[command(subcommand)]
    job: Command,
}

impl CommitArguments {
    /// Makes the output of the shards visible.
    ///
    /// # Errors
    /// When a shard is missing, or what they left does not fit; nothing is visible then.
    pub fn run(&self) -> Result<JobReport> {
        match &self.job {
            Command::Enrich(arguments) => {
                let options = arguments.shards.of_commit(self.wait)?;
                shards::commit_enrich(&arguments.whole_job()?, self.shards, &options)
            }
            Command::Shred(arguments) => {
                let options = arguments.shards.of_commit(self.wait)?;
                shards::commit_shred(&arguments.whole_job()?, self.shards, &options)
            }
            Command::Etl(arguments) => {
                let options = arguments.shards.of_commit(self.wait)?;
                shards::commit_etl(&arguments.whole_job()?, self.shards, &options)
            }
        }
    }
}
