//! What the engine answers through.

use std::sync::Arc;

use proto::execute_plan_response::execution_progress::StageInfo;
use proto::execute_plan_response::{ArrowBatch, ExecutionProgress, ResponseType};
use proto::{DataType, ExecutePlanResponse};
use spark_connect_proto as proto;

use super::operation::{Gone, Operation, response_of};
use super::reader::Reader;

/// The way of an operation's responses to its client.
#[derive(Clone)]
pub(crate) struct Responses {
    operation: Arc<Operation>,
}

impl Responses {
    pub(super) fn of(operation: &Arc<Operation>) -> Self {
        Self {
            operation: Arc::clone(operation),
        }
    }

    /// What is known of whoever reads them.
    pub(crate) fn reader(&self) -> Reader {
        self.operation.about.reader
    }

    /// The operation's id.
    #[cfg(test)]
    pub(crate) fn operation_id(&self) -> &str {
        &self.operation.about.id
    }

    /// Sends a response, with the schema of the rows if it is the first of some. Waits while the
    /// client is far behind.
    pub(crate) async fn send(
        &self,
        response_type: ResponseType,
        schema: Option<DataType>,
    ) -> Result<(), Gone> {
        self.send_response(ExecutePlanResponse {
            schema,
            ..response_of(response_type)
        })
        .await
    }

    /// Sends a response that has other parts, such as metrics. Its ids are filled in. A batch that is
    /// too large for one message goes in chunks, if the client takes chunks.
    pub(crate) async fn send_response(
        &self,
        mut response: ExecutePlanResponse,
    ) -> Result<(), Gone> {
        let chunk_bytes = self.operation.about.chunk_bytes.unwrap_or(usize::MAX);
        match response.response_type.take() {
            Some(ResponseType::ArrowBatch(batch)) if batch.data.len() > chunk_bytes => {
                for chunk in chunks(&batch, chunk_bytes) {
                    // What goes with the batch goes with its first chunk.
                    let mut part = std::mem::take(&mut response);
                    part.response_type = Some(ResponseType::ArrowBatch(chunk));
                    self.operation.push(part).await?;
                }
                Ok(())
            }
            response_type => {
                response.response_type = response_type;
                self.operation.push(response).await
            }
        }
    }

    /// Tells the client how far the operation is. It is told the newest only, and nothing while
    /// responses wait for it.
    pub(crate) fn progress(&self, stages: Vec<StageInfo>, num_inflight_tasks: i64) {
        self.operation.progress(ExecutionProgress {
            stages,
            num_inflight_tasks,
        });
    }
}

/// The chunks of at most `bytes` bytes that a batch is cut into. Each says what the whole has.
fn chunks(batch: &ArrowBatch, bytes: usize) -> impl Iterator<Item = ArrowBatch> {
    let count = batch.data.len().div_ceil(bytes);
    (0..count).map(move |index| {
        let from = index * bytes;
        let to = batch.data.len().min(from + bytes);
        ArrowBatch {
            data: batch.data.slice(from..to),
            chunk_index: Some(index as i64),
            num_chunks_in_batch: Some(count as i64),
            ..batch.clone()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_batch_is_cut_without_losing_a_byte() {
        let batch = ArrowBatch {
            row_count: 7,
            data: (0..10).collect::<Vec<u8>>().into(),
            start_offset: Some(3),
            ..Default::default()
        };
        let chunks: Vec<_> = chunks(&batch, 4).collect();
        let data: Vec<u8> = chunks
            .iter()
            .flat_map(|chunk| chunk.data.to_vec())
            .collect();
        assert_eq!(data, batch.data);
        let indexes: Vec<_> = chunks
            .iter()
            .map(|chunk| chunk.chunk_index.unwrap())
            .collect();
        assert_eq!(indexes, [0, 1, 2]);
        assert!(chunks.iter().all(|chunk| chunk.row_count == 7
            && chunk.start_offset == Some(3)
            && chunk.num_chunks_in_batch == Some(3)));
    }
}
