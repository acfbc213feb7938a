//! How our nodes travel in a plan; all others go Ballista's way.

use std::sync::Arc;

use ballista_core::serde::BallistaPhysicalExtensionCodec;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::TaskContext;
use datafusion::physical_plan::ExecutionPlan;
use datafusion_proto::physical_plan::{PhysicalExtensionCodec, PhysicalProtoConverterExtension};
use engine::job::parts::Stage;

use super::{Runners, TaskExec, TaskNode};
use crate::kms::WrappedKey;

/// Begins the bytes of our nodes. Ballista's are messages whose first byte is the tag of a field: never a capital letter of
/// this kind followed by these.
const MAGIC: &[u8] = b"CAMONICA-TASK-2\0";

const STAGES: [Stage; 5] = [
    Stage::Enrich,
    Stage::Scan,
    Stage::Count,
    Stage::Shred,
    Stage::Resolve,
];

/// Encodes and decodes [`TaskExec`].
#[derive(Debug, Default)]
pub struct TaskCodec {
    others: BallistaPhysicalExtensionCodec,
    runners: Option<Arc<Runners>>,
}

impl TaskCodec {
    /// The codec of a worker, whose nodes can do tasks.
    pub fn of_worker(runners: Arc<Runners>) -> Self {
        Self {
            others: BallistaPhysicalExtensionCodec::default(),
            runners: Some(runners),
        }
    }
}

impl TaskNode {
    fn write(&self, to: &mut Vec<u8>) {
        to.extend_from_slice(MAGIC);
        let stage = STAGES.iter().position(|stage| *stage == self.stage);
        to.push(u8::try_from(stage.unwrap_or_default()).unwrap_or_default());
        to.push(u8::from(self.with_keys));
        to.push(u8::from(self.key.is_some()));
        write_part(to, self.job.as_bytes());
        if let Some(key) = &self.key {
            write_part(to, key.job.as_bytes());
            write_part(to, &key.ciphertext);
        }
        to.extend_from_slice(&self.sealed);
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<3>()?;
        let text = |part| std::str::from_utf8(part).ok().map(Arc::from);
        let (job, rest) = read_part(rest)?;
        let (key, sealed) = if head[2] == 1 {
            let (job, rest) = read_part(rest)?;
            let (ciphertext, rest) = read_part(rest)?;
            let key = WrappedKey {
                job: text(job)?,
                ciphertext: ciphertext.into(),
            };
            (Some(key), rest)
        } else {
            (None, rest)
        };
        Some(Self {
            stage: *STAGES.get(usize::from(head[0]))?,
            with_keys: head[1] == 1,
            job: text(job)?,
            key,
            sealed: sealed.into(),
        })
    }
}

/// A part with its length before it.
fn write_part(to: &mut Vec<u8>, part: &[u8]) {
    let length = u32::try_from(part.len()).unwrap_or_default();
    to.extend_from_slice(&length.to_le_bytes());
    to.extend_from_slice(part);
}

fn read_part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(u32::from_le_bytes(*length) as usize)
}

impl PhysicalExtensionCodec for TaskCodec {
    fn try_decode(
        &self,
        buf: &[u8],
        inputs: &[Arc<dyn ExecutionPlan>],
        ctx: &TaskContext,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let Some(bytes) = buf.strip_prefix(MAGIC) else {
            return self.others.try_decode(buf, inputs, ctx, proto_converter);
        };
        let (Some(node), [input]) = (TaskNode::read(bytes), inputs) else {
            return Err(DataFusionError::Internal(
                "a task of a plan cannot be read; do all nodes run the same version?".into(),
            ));
        };
        let exec = TaskExec::new(Arc::clone(input), node, self.runners.clone());
        Ok(Arc::new(exec))
    }

    fn try_encode(
        &self,
        node: Arc<dyn ExecutionPlan>,
        buf: &mut Vec<u8>,
        proto_converter: &dyn PhysicalProtoConverterExtension,
    ) -> Result<()> {
        match node.downcast_ref::<TaskExec>() {
            Some(exec) => {
                exec.node.write(buf);
                Ok(())
            }
            None => self.others.try_encode(node, buf, proto_converter),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_come_back() {
        let wrapped = WrappedKey {
            job: "shred-0f".into(),
            ciphertext: [9; 200].as_slice().into(),
        };
        for key in [None, Some(wrapped)] {
            let node = TaskNode {
                stage: Stage::Resolve,
                with_keys: true,
                job: "shred-1".into(),
                key: key.clone(),
                sealed: vec![1, 2, 3].into(),
            };
            let mut bytes = Vec::new();
            node.write(&mut bytes);
            let bytes = bytes.strip_prefix(MAGIC).unwrap();
            let back = TaskNode::read(bytes).unwrap();
            assert_eq!((back.stage, back.with_keys), (Stage::Resolve, true));
            assert_eq!((&*back.job, &*back.sealed), ("shred-1", &[1, 2, 3][..]));
            assert_eq!(back.key, key);
            for length in 0..bytes.len() - 3 {
                assert!(TaskNode::read(&bytes[..length]).is_none(), "{length}");
            }
        }
    }
}
