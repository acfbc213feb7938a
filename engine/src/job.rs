//! The jobs: what a caller asks for, wired from input to committed output.

mod aside;
pub mod enrich;
pub mod etl;
pub mod manifest;
pub mod options;
pub mod parts;
pub mod record;
pub mod report;
mod rows;
mod shared;
pub mod shred;

pub use enrich::EnrichJob;
pub use etl::EtlJob;
pub use options::JobOptions;
pub use report::JobReport;
pub use shred::ShredJob;
