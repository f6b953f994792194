//! Decodes messages nested as deeply as the stack allows.
//!
//! Each `withColumn` of a loop, each `|` of a long condition nests a plan two levels deeper, and prost
//! stops at 100. Spark's `spark.connect.grpc.marshallerRecursionLimit` is 1024. So prost is built
//! without its own limit, and reads from a buffer that ends when the stack does.

use std::cell::Cell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;

use prost::Message;
use prost::bytes::{Buf, Bytes};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// The stack that plans are decoded and planned on, in bytes. Only what is used of it takes memory.
const STACK: usize = 128 << 20;

/// How much of it decoding may use: some thousand levels. What is decoded is dropped on smaller
/// stacks, which takes a fraction. Without optimization frames are several times as large.
const DECODING: usize = if cfg!(debug_assertions) {
    64 << 20
} else {
    8 << 20
};

/// Decodes a message, if it is not nested too deeply.
pub(crate) fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, String> {
    stacker::grow(STACK, || {
        let stack = stacker::remaining_stack().unwrap_or(STACK);
        let mut buffer = Guarded {
            bytes,
            least: stack.saturating_sub(DECODING),
            ended: Cell::new(false),
        };
        let decoded = M::decode(&mut buffer);
        match buffer.ended.get() {
            true => Err("the plan is nested too deeply: keep intermediate results, with createOrReplaceTempView or by writing them".to_owned()),
            false => decoded.map_err(|error| error.to_string()),
        }
    })
}

/// Bytes that are at their end once there is too little stack to go on, however deep that is: lengths in
/// the message cannot be trusted to tell.
struct Guarded {
    bytes: Bytes,
    /// The stack that has to remain.
    least: usize,
    ended: Cell<bool>,
}

impl Buf for Guarded {
    fn remaining(&self) -> usize {
        if stacker::remaining_stack().is_some_and(|stack| stack < self.least) {
            self.ended.set(true);
        }
        match self.ended.get() {
            true => 0,
            false => self.bytes.remaining(),
        }
    }

    fn chunk(&self) -> &[u8] {
        match self.ended.get() {
            true => &[],
            false => self.bytes.chunk(),
        }
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count.min(self.bytes.remaining()));
    }

    fn copy_to_bytes(&mut self, length: usize) -> Bytes {
        self.bytes.split_to(length.min(self.bytes.len()))
    }
}

/// Does work that follows a plan down its levels on a stack that their depth fits.
pub(crate) async fn on_deep_stack<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|context| stacker::grow(STACK, || work.as_mut().poll(context))).await
}

/// prost's codec with this decoder.
pub(crate) struct DeepCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for DeepCodec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> Codec for DeepCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = DeepDecoder<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> Self::Decoder {
        DeepDecoder(PhantomData)
    }
}

/// The decoder of [`DeepCodec`].
pub(crate) struct DeepDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for DeepDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, source: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let bytes = source.copy_to_bytes(source.remaining());
        decode(bytes).map(Some).map_err(Status::internal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spark_connect_proto as proto;

    /// A relation of `levels` limits; each is two levels of messages.
    fn nested(levels: usize) -> proto::Relation {
        let mut relation = proto::Relation::default();
        for _ in 0..levels {
            let limit = proto::Limit {
                input: Some(Box::new(relation)),
                limit: 1,
            };
            relation = proto::Relation {
                rel_type: Some(proto::relation::RelType::Limit(Box::new(limit))),
                ..Default::default()
            };
        }
        relation
    }

    #[test]
    fn deep_plans_are_decoded_at_least_to_sparks_limit() {
        let relation = stacker::grow(STACK, || nested(512));
        let bytes: Bytes = stacker::grow(STACK, || relation.encode_to_vec().into());
        let decoded: proto::Relation = decode(bytes).unwrap();
        stacker::grow(STACK, || assert!(decoded == relation));
    }

    #[test]
    fn plans_that_are_too_deep_are_refused_whatever_their_lengths_say() {
        // Each level says that it is two bytes long, and holds one that goes on beyond it.
        let levels = [0x42_u8, 2, 0x0a, 2].repeat(1 << 20);
        let error = decode::<proto::Relation>(levels.into()).unwrap_err();
        assert!(error.contains("too deeply"), "{error}");
    }

    #[tokio::test]
    async fn work_has_a_deep_stack_whenever_it_goes_on() {
        fn deep(levels: usize) -> usize {
            let frame = std::hint::black_box([levels; 1024]);
            if levels == 0 {
                0
            } else {
                deep(levels - 1) + frame[0].min(1)
            }
        }
        let work = async {
            tokio::task::yield_now().await;
            deep(2000)
        };
        assert_eq!(on_deep_stack(work).await, 2000);
    }

    #[test]
    fn hostile_bytes_are_refused_or_decoded_and_end_nothing() {
        let groups = Bytes::from(vec![0x7b; 10 << 20]);
        assert!(decode::<proto::Relation>(groups).is_err());
        // Fields without an end, a length beyond the end, no field at all.
        for bytes in [&[0x0a][..], &[0x0a, 0x7f, 0x0a], &[0xff; 100], &[0x09, 1]] {
            assert!(decode::<proto::Relation>(Bytes::copy_from_slice(bytes)).is_err());
        }
    }

    #[test]
    fn text_and_data_are_not_taken_for_depth() {
        let local = |data: Vec<u8>| proto::LocalRelation {
            data: Some(data.into()),
            schema: Some("\ns;".repeat(100_000)),
        };
        for byte in [0_u8, 1, 10, 18, 26, 255] {
            let message = local(vec![byte; 100_000]);
            let decoded: proto::LocalRelation = decode(message.encode_to_vec().into()).unwrap();
            assert_eq!(decoded, message);
        }
    }
}
