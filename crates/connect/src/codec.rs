//! Decodes messages nested as deeply as Spark takes them.
//!
//! Each `withColumn` of a loop, each `|` of a long condition nests a plan two levels deeper, and prost
//! stops at 100. Spark's `spark.connect.grpc.marshallerRecursionLimit` is 1024. So prost is built
//! without its own limit; a message is measured before it is decoded, and decoded on a stack that
//! this depth fits.

use std::future::poll_fn;
use std::marker::PhantomData;
use std::pin::pin;

use prost::Message;
use prost::bytes::{Buf, Bytes};
use prost::encoding::{WireType, decode_key, decode_varint};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// How deeply messages may be nested.
const DEPTH: usize = 1024;
/// How deeply groups may be nested, an encoding that Spark Connect does not use. Text can look like
/// it, so that the bound is far from what occurs.
const GROUPS: usize = 16 << 10;
/// The stack that suffices for both, and for planning what is so deep, in bytes. Only what is used
/// of it takes memory.
const STACK: usize = 128 << 20;

/// Decodes a message, if it is not nested too deeply.
pub(crate) fn decode<M: Message + Default>(bytes: Bytes) -> Result<M, String> {
    match depth(&bytes) {
        0..8 => M::decode(bytes).map_err(|error| error.to_string()),
        8..=DEPTH => stacker::grow(STACK, || M::decode(bytes)).map_err(|error| error.to_string()),
        _ => Err(format!(
            "the plan is nested more than {DEPTH} levels deep: keep intermediate results, with createOrReplaceTempView or by writing them"
        )),
    }
}

/// Does work that follows a plan down its levels on a stack that their depth fits.
pub(crate) async fn on_deep_stack<F: Future>(work: F) -> F::Output {
    let mut work = pin!(work);
    poll_fn(|context| stacker::grow(STACK, || work.as_mut().poll(context))).await
}

/// How deeply a message may turn out to be nested, or more than [`DEPTH`] if the decoder should not
/// be tried. Which fields are messages is not known here, so that all that could be are taken for it.
fn depth(bytes: &[u8]) -> usize {
    // The ends of the messages that are open, with the groups that are open in them.
    let mut open = vec![(bytes.len(), 0_usize)];
    let mut deepest = 1;
    let mut at = 0;
    while let Some((end, groups)) = open.last_mut() {
        if at >= *end {
            open.pop();
            continue;
        }
        match field(&bytes[at..*end]) {
            Some(Field::Skipped(size)) => at += size,
            Some(Field::Within { from, to }) => {
                let end = at + to;
                at += from;
                open.push((end, 0));
            }
            Some(Field::Group { begins, size }) => {
                at += size;
                *groups = match begins {
                    true => *groups + 1,
                    false => groups.saturating_sub(1),
                };
                if *groups > GROUPS {
                    return usize::MAX;
                }
                deepest = deepest.max(8);
            }
            // Not a message after all, or a damaged one.
            None => at = *end,
        }
        deepest = deepest.max(open.len());
        if deepest > DEPTH {
            return deepest;
        }
    }
    deepest
}

/// What a field is to those who look for messages in it.
enum Field {
    Skipped(usize),
    Within { from: usize, to: usize },
    Group { begins: bool, size: usize },
}

fn field(bytes: &[u8]) -> Option<Field> {
    let mut rest = bytes;
    let (_, wire_type) = decode_key(&mut rest).ok()?;
    let read = |rest: &[u8]| bytes.len() - rest.len();
    let size = match wire_type {
        WireType::Varint => {
            decode_varint(&mut rest).ok()?;
            0
        }
        WireType::SixtyFourBit => 8,
        WireType::ThirtyTwoBit => 4,
        WireType::LengthDelimited => {
            let length = usize::try_from(decode_varint(&mut rest).ok()?).ok()?;
            let from = read(rest);
            let to = from.checked_add(length)?;
            return (to <= bytes.len()).then_some(Field::Within { from, to });
        }
        WireType::StartGroup | WireType::EndGroup => {
            let begins = wire_type == WireType::StartGroup;
            return Some(Field::Group {
                begins,
                size: read(rest),
            });
        }
    };
    (size <= rest.len()).then(|| Field::Skipped(read(rest) + size))
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
    fn deep_plans_are_decoded_up_to_sparks_limit() {
        let relation = stacker::grow(STACK, || nested(500));
        let bytes: Bytes = stacker::grow(STACK, || relation.encode_to_vec().into());
        let decoded: proto::Relation = decode(bytes).unwrap();
        stacker::grow(STACK, || assert!(decoded == relation));
        let bytes: Bytes = stacker::grow(STACK, || nested(600).encode_to_vec().into());
        let error = decode::<proto::Relation>(bytes).unwrap_err();
        assert!(error.contains("1024 levels"), "{error}");
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
        let some_groups = Bytes::from(vec![0x7b; GROUPS - 1]);
        assert!(decode::<proto::Relation>(some_groups).is_err());
        // Fields without an end, a length beyond the end, no field at all.
        for bytes in [&[0x0a][..], &[0x0a, 0x7f, 0x0a], &[0xff; 100], &[0x09, 1]] {
            assert!(decode::<proto::Relation>(Bytes::copy_from_slice(bytes)).is_err());
        }
    }

    #[test]
    fn text_and_data_are_not_taken_for_depth() {
        let local = |data: Vec<u8>| proto::LocalRelation {
            data: Some(data.into()),
            schema: Some("\n".repeat(100_000)),
        };
        for byte in [0_u8, 1, 10, 18, 26, 255] {
            let message = local(vec![byte; 100_000]);
            let decoded: proto::LocalRelation = decode(message.encode_to_vec().into()).unwrap();
            assert_eq!(decoded, message);
        }
    }
}
