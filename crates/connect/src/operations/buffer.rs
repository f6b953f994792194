//! The responses of one operation between the engine and its client.
//!
//! ```text
//!  position   0 … first          first … next                next … end
//!             released, gone     handed out; kept in case    waiting to be handed out;
//!                                the connection breaks       the engine waits if they are many
//! ```

use std::collections::VecDeque;

use plimsoll_memory::DriverAccount;
use spark_connect_proto::ExecutePlanResponse;
use uuid::Uuid;

/// What may wait for a client, in bytes, before the engine does.
const WAITING_BYTES: usize = 16 << 20;
/// What may wait for a client, in responses, before the engine does.
const WAITING_RESPONSES: usize = 8;
/// What is kept for a client that may come back for it, in bytes. Spark's
/// `spark.connect.execute.reattachable.observerRetryBufferSize`, which is 10 MiB; here it covers what
/// the transport has taken and the client has not. A client that releases keeps less here.
const KEPT_BYTES: usize = 32 << 20;
/// What is kept for it though the driver's part is full, in bytes: without it a client that lost its connection would lose
/// its results too, since the last response that it saw is seldom the last that was handed out.
const KEPT_BYTES_WHEN_FULL: usize = 4 << 20;
/// The same in responses.
const KEPT_RESPONSES_WHEN_FULL: u64 = 8;

/// Responses by position, from the first that is still kept.
#[derive(Debug)]
pub(super) struct Buffer {
    responses: VecDeque<(usize, ExecutePlanResponse)>,
    first: u64,
    next: u64,
    handed_out_bytes: usize,
    waiting_bytes: usize,
    /// Whether what was handed out is kept until it is released.
    keeps: bool,
    /// What all of them take of the driver's part of the memory. When that is full, one waits at a time, and few are kept.
    account: DriverAccount,
    salt: u64,
}

/// Why a client cannot go on from where it says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lost {
    /// There never was such a response.
    Unknown,
    /// It was released, or is more than is kept.
    Released,
}

impl Buffer {
    pub(super) fn new(keeps: bool, account: DriverAccount) -> Self {
        Self {
            responses: VecDeque::new(),
            first: 0,
            next: 0,
            handed_out_bytes: 0,
            waiting_bytes: 0,
            keeps,
            account,
            salt: Uuid::new_v4().as_u64_pair().0,
        }
    }

    /// Whether the engine may add a response. With nothing waiting it may add one of any size.
    pub(super) fn has_room(&self) -> bool {
        let waiting = self.end() - self.next;
        let few = waiting < WAITING_RESPONSES as u64 && self.waiting_bytes < WAITING_BYTES;
        waiting == 0 || (few && !self.account.is_full())
    }

    /// Adds a response of `bytes` bytes, and gives it its id.
    pub(super) fn push(&mut self, bytes: usize, mut response: ExecutePlanResponse) {
        response.response_id = self.id_before(self.end() + 1);
        self.waiting_bytes += bytes;
        self.account.grow(bytes as u64);
        self.responses.push_back((bytes, response));
    }

    /// The next response for the client, if one waits.
    pub(super) fn take(&mut self) -> Option<ExecutePlanResponse> {
        let at = usize::try_from(self.next - self.first).ok()?;
        let (bytes, response) = self.responses.get(at)?;
        let (bytes, response) = (*bytes, response.clone());
        self.next += 1;
        self.waiting_bytes -= bytes;
        self.handed_out_bytes += bytes;
        let keep = if self.keeps { KEPT_BYTES } else { 0 };
        // The last one is kept however large it is: it is the one most likely to be lost.
        let last = self.next - u64::from(self.keeps);
        while self.first < last && (self.handed_out_bytes > keep || self.keeps_too_much()) {
            self.drop_first();
        }
        Some(response)
    }

    /// Whether the driver's part is full, and more is kept than it is to be then.
    fn keeps_too_much(&self) -> bool {
        let many = self.next - self.first > KEPT_RESPONSES_WHEN_FULL
            || self.handed_out_bytes > KEPT_BYTES_WHEN_FULL;
        many && self.account.is_full()
    }

    /// Drops what the client says it has received, up to the response of this id. An id that is
    /// not known is passed over, as Spark does.
    pub(super) fn release(&mut self, response_id: &str) {
        if let Some(position) = self.position_after(response_id) {
            while self.first < position.min(self.next) {
                self.drop_first();
            }
        }
    }

    /// Goes back to after the response of this id, or to the start.
    pub(super) fn rewind(&mut self, response_id: Option<&str>) -> Result<(), Lost> {
        let position = match response_id {
            Some(id) => self.position_after(id).ok_or(Lost::Unknown)?,
            None => 0,
        };
        if position < self.first {
            return Err(Lost::Released);
        }
        if position > self.next {
            return Err(Lost::Unknown);
        }
        while self.next > position {
            self.next -= 1;
            let bytes = usize::try_from(self.next - self.first)
                .ok()
                .and_then(|at| self.responses.get(at))
                .map_or(0, |(bytes, _)| *bytes);
            self.handed_out_bytes -= bytes;
            self.waiting_bytes += bytes;
        }
        Ok(())
    }

    /// Drops all responses.
    pub(super) fn clear(&mut self) {
        self.first = self.end();
        self.next = self.first;
        self.responses.clear();
        self.handed_out_bytes = 0;
        self.waiting_bytes = 0;
        self.account.shrink(u64::MAX);
    }

    /// The id for a response that is not kept: whoever goes on from it goes on from here.
    pub(super) fn passing_id(&self) -> String {
        self.id_before(self.next)
    }

    fn end(&self) -> u64 {
        self.first + self.responses.len() as u64
    }

    fn drop_first(&mut self) {
        if let Some((bytes, _)) = self.responses.pop_front() {
            self.first += 1;
            self.handed_out_bytes -= bytes;
            self.account.shrink(bytes as u64);
        }
    }

    /// The id of a response after which the client goes on at `position`: a UUID, as Spark's are,
    /// that holds the position.
    fn id_before(&self, position: u64) -> String {
        let custom = (self.salt & !0xf000) | 0x8000;
        Uuid::from_u64_pair(custom, (1 << 63) | position).to_string()
    }

    fn position_after(&self, id: &str) -> Option<u64> {
        let (_, low) = Uuid::parse_str(id).ok()?.as_u64_pair();
        let position = low & !(1 << 63);
        (self.id_before(position) == id && position <= self.end()).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use plimsoll_memory::{DriverMemory, DriverUse};

    const MIB: usize = 1 << 20;

    fn roomy(keeps: bool) -> Buffer {
        Buffer::new(
            keeps,
            DriverMemory::new(u64::MAX).account(DriverUse::Results),
        )
    }

    fn filled(count: usize, bytes: usize) -> Buffer {
        let mut buffer = roomy(true);
        for _ in 0..count {
            buffer.push(bytes, ExecutePlanResponse::default());
        }
        buffer
    }

    fn take_id(buffer: &mut Buffer) -> String {
        buffer.take().unwrap().response_id
    }

    #[test]
    fn the_engine_waits_for_bytes_and_for_responses_but_any_single_one_passes() {
        assert!(roomy(true).has_room());
        assert!(filled(7, 1).has_room());
        assert!(!filled(8, 1).has_room());
        assert!(!filled(1, 100 * MIB).has_room());
        let mut buffer = filled(1, 100 * MIB);
        buffer.take();
        assert!(buffer.has_room());
    }

    #[test]
    fn a_client_goes_on_after_the_response_it_names() {
        let mut buffer = filled(4, 1);
        let ids: Vec<_> = (0..3).map(|_| take_id(&mut buffer)).collect();
        buffer.rewind(Some(&ids[0])).unwrap();
        assert_eq!(take_id(&mut buffer), ids[1]);
        buffer.rewind(None).unwrap();
        assert_eq!(take_id(&mut buffer), ids[0]);
        buffer.release(&ids[1]);
        assert_eq!(take_id(&mut buffer), ids[1]);
        buffer.release(&ids[1]);
        assert_eq!(buffer.rewind(Some(&ids[0])), Err(Lost::Released));
        assert_eq!(buffer.rewind(None), Err(Lost::Released));
        assert_eq!(buffer.rewind(Some("?")), Err(Lost::Unknown));
        assert_eq!(
            buffer.rewind(Some(&roomy(true).passing_id())),
            Err(Lost::Unknown)
        );
    }

    #[test]
    fn what_is_kept_is_bounded_though_nothing_is_released() {
        let mut buffer = roomy(true);
        for _ in 0..100 {
            buffer.push(4 * MIB, ExecutePlanResponse::default());
            buffer.take();
        }
        assert_eq!(buffer.handed_out_bytes, KEPT_BYTES);
        buffer.push(100 * MIB, ExecutePlanResponse::default());
        buffer.take();
        assert_eq!(buffer.responses.len(), 1);
        buffer.rewind(Some(&buffer.id_before(100))).unwrap();
        assert!(buffer.take().is_some());
    }

    #[test]
    fn without_reattaching_nothing_is_kept() {
        let mut buffer = roomy(false);
        buffer.push(1, ExecutePlanResponse::default());
        assert!(buffer.take().is_some());
        assert!(buffer.responses.is_empty());
        assert_eq!(buffer.handed_out_bytes, 0);
    }

    #[test]
    fn a_driver_without_room_has_one_response_wait_and_few_kept() {
        let driver = DriverMemory::new(3 * MIB as u64);
        let mut buffer = Buffer::new(true, driver.account(DriverUse::Results));
        for _ in 0..3 {
            assert!(buffer.has_room());
            buffer.push(MIB, ExecutePlanResponse::default());
        }
        assert!(!buffer.has_room());
        let ids: Vec<_> = (0..3).map(|_| take_id(&mut buffer)).collect();
        // A client that lost its connection after the first response finds the others.
        buffer.rewind(Some(&ids[0])).unwrap();
        assert_eq!(take_id(&mut buffer), ids[1]);
        assert_eq!(take_id(&mut buffer), ids[2]);
        for _ in 0..3 {
            assert!(buffer.has_room());
            buffer.push(MIB, ExecutePlanResponse::default());
            assert!(!buffer.has_room());
            buffer.take();
        }
        assert_eq!(buffer.responses.len(), 4);
        buffer.clear();
        assert_eq!(driver.usage().results.now, 0);
        assert_eq!(driver.usage().results.peak, 5 * MIB as u64);
    }

    #[test]
    fn a_driver_that_others_have_filled_leaves_the_last_responses() {
        let driver = DriverMemory::new(MIB as u64);
        let mut others = driver.account(DriverUse::Metadata);
        others.grow(MIB as u64);
        let mut buffer = Buffer::new(true, driver.account(DriverUse::Results));
        for _ in 0..20 {
            buffer.push(1, ExecutePlanResponse::default());
            buffer.take();
        }
        assert_eq!(buffer.responses.len(), 8);
        buffer.rewind(Some(&buffer.id_before(12))).unwrap();
        assert_eq!(
            buffer.rewind(Some(&buffer.id_before(11))),
            Err(Lost::Released)
        );
        buffer.take();
        buffer.push(8 * MIB, ExecutePlanResponse::default());
        while buffer.take().is_some() {}
        assert_eq!(buffer.responses.len(), 1);
    }
}
