//! Plans that the client compressed: 4.1 does so with large ones.

use std::io::Read;

use proto::analyze_plan_request::Analyze;
use proto::plan::OpType;
use proto::plan::compressed_operation::OpType as CompressedType;
use proto::{CompressionCodec, Plan};
use spark_connect_proto as proto;

use crate::codec::decode;
use crate::error::{Error, Kind};

/// The largest plan there may be, in bytes: what an uncompressed one may have as a message.
const PLAN_BYTES: u64 = 128 << 20;

/// The plan as it is without compression.
pub(crate) fn plain(plan: Plan) -> Result<Plan, Error> {
    let Some(OpType::CompressedOperation(compressed)) = &plan.op_type else {
        return Ok(plan);
    };
    if compressed.compression_codec() != CompressionCodec::Zstd {
        return Err(malformed("the codec is not zstd"));
    }
    let mut data = Vec::new();
    zstd::stream::read::Decoder::new(compressed.data.as_ref())
        .and_then(|decoder| decoder.take(PLAN_BYTES + 1).read_to_end(&mut data))
        .map_err(|error| malformed(&error.to_string()))?;
    if data.len() as u64 > PLAN_BYTES {
        return Err(Error::new(
            Kind::InvalidPlan,
            "CONNECT_INVALID_PLAN.PLAN_SIZE_LARGER_THAN_MAX",
            &[
                ("planSize", &format!("over {PLAN_BYTES}")),
                ("maxPlanSize", &PLAN_BYTES.to_string()),
            ],
        ));
    }
    let op_type = match compressed.op_type() {
        CompressedType::Relation => decode(data.into()).map(OpType::Root),
        CompressedType::Command => decode(data.into()).map(OpType::Command),
        CompressedType::Unspecified => return Err(malformed("it is neither relation nor command")),
    };
    Ok(Plan {
        op_type: Some(op_type.map_err(|why| malformed(&why))?),
    })
}

/// The request with its plans as they are without compression.
pub(crate) fn plain_analysis(analyze: Analyze) -> Result<Analyze, Error> {
    let within = |plan: Option<Plan>| plan.map(plain).transpose();
    Ok(match analyze {
        Analyze::Schema(mut of) => {
            of.plan = within(of.plan)?;
            Analyze::Schema(of)
        }
        Analyze::Explain(mut of) => {
            of.plan = within(of.plan)?;
            Analyze::Explain(of)
        }
        Analyze::TreeString(mut of) => {
            of.plan = within(of.plan)?;
            Analyze::TreeString(of)
        }
        Analyze::IsLocal(mut of) => {
            of.plan = within(of.plan)?;
            Analyze::IsLocal(of)
        }
        Analyze::IsStreaming(mut of) => {
            of.plan = within(of.plan)?;
            Analyze::IsStreaming(of)
        }
        Analyze::InputFiles(mut of) => {
            of.plan = within(of.plan)?;
            Analyze::InputFiles(of)
        }
        Analyze::SameSemantics(mut of) => {
            of.target_plan = within(of.target_plan)?;
            of.other_plan = within(of.other_plan)?;
            Analyze::SameSemantics(of)
        }
        Analyze::SemanticHash(mut of) => {
            of.plan = within(of.plan)?;
            Analyze::SemanticHash(of)
        }
        without_plan => without_plan,
    })
}

fn malformed(why: &str) -> Error {
    Error::new(
        Kind::InvalidPlan,
        "CONNECT_INVALID_PLAN.CANNOT_PARSE",
        &[("errorMsg", why)],
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use prost::Message;
    use proto::plan::CompressedOperation;

    fn compressed(data: Vec<u8>) -> Plan {
        Plan {
            op_type: Some(OpType::CompressedOperation(CompressedOperation {
                data: data.into(),
                op_type: CompressedType::Relation.into(),
                compression_codec: CompressionCodec::Zstd.into(),
            })),
        }
    }

    #[test]
    fn a_compressed_plan_is_the_plan() {
        let relation = proto::Relation {
            rel_type: Some(proto::relation::RelType::Range(proto::Range {
                end: 7,
                ..Default::default()
            })),
            ..Default::default()
        };
        let data = zstd::encode_all(relation.encode_to_vec().as_slice(), 1).unwrap();
        let plan = plain(compressed(data)).unwrap();
        assert_eq!(plan.op_type, Some(OpType::Root(relation)));
    }

    #[test]
    fn what_is_no_plan_or_too_large_is_refused() {
        let condition = |data: Vec<u8>| plain(compressed(data)).unwrap_err().condition.unwrap();
        let noise = zstd::encode_all([0xff; 64].as_slice(), 1).unwrap();
        let large = zstd::encode_all(std::io::repeat(0).take(PLAN_BYTES + 1), 1).unwrap();
        assert_eq!(
            condition(b"x".to_vec()),
            "CONNECT_INVALID_PLAN.CANNOT_PARSE"
        );
        assert_eq!(condition(noise), "CONNECT_INVALID_PLAN.CANNOT_PARSE");
        assert_eq!(
            condition(large),
            "CONNECT_INVALID_PLAN.PLAN_SIZE_LARGER_THAN_MAX"
        );
    }
}
