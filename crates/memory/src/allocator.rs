use std::alloc::{GlobalAlloc, Layout};
use std::ptr;

use crate::{account, overflow};

/// An allocator that counts what it hands out, holds back what would be too much, and puts large
/// allocations that do not fit under the line on disk.
///
/// To be the global allocator of the process, around another:
///
/// ```
/// #[global_allocator]
/// static ALLOCATOR: plimsoll_memory::CountingAllocator<std::alloc::System> =
///     plimsoll_memory::CountingAllocator::new(std::alloc::System);
/// ```
///
/// Stable Rust aborts when an allocation fails, and Arrow's kernels cannot be refused memory, so the
/// line has to be kept without refusing any: an allocation past the gate waits for others to free
/// memory, and one of 16 KiB and more is taken from a file that is mapped into
/// memory, whose pages the kernel writes back and takes away as it needs (the overflow). Both are last resorts; the
/// control loop ([`Pressure`](crate::Pressure)) exists so that they are rare.
///
/// It counts what an allocation takes in jemalloc (jemalloc(3), "SIZE CLASSES") and not what was asked for. C libraries in the process call malloc and are
/// not counted here; what they hold is in what is resident, which the gate takes into account.
pub struct CountingAllocator<A> {
    inner: A,
}

impl<A> CountingAllocator<A> {
    /// Counts what `inner` hands out.
    pub const fn new(inner: A) -> Self {
        Self { inner }
    }
}

/// The bytes of pages that an allocation of `size` bytes may touch: jemalloc's size class of a small one (four
/// classes to a doubling, 16 bytes apart at least), whole pages of a large one, whose class may end in pages
/// that nobody touches.
fn footprint(size: usize) -> i64 {
    const PAGE: usize = 4 << 10;
    const LARGE: usize = 16 << 10;
    let doubling = usize::BITS - (size.max(16) - 1).leading_zeros();
    let spacing = match size < LARGE {
        true => 1usize << doubling.saturating_sub(3).max(4),
        false => PAGE,
    };
    size.saturating_add(spacing - 1) as i64 & !(spacing as i64 - 1)
}

/// Whether `size` bytes more are past the gate, or for a large allocation past what may be resident.
fn is_too_much(size: usize) -> bool {
    const LARGE: usize = 1 << 20;
    account::is_past_gate(size) || size >= LARGE && account::is_past_line(size)
}

impl<A: GlobalAlloc> CountingAllocator<A> {
    /// Memory for `layout`: on disk if it is large and past the gate, or else from `inner`.
    ///
    /// # Safety
    /// As for [`GlobalAlloc::alloc`].
    unsafe fn provide(
        &self,
        layout: Layout,
        from_inner: impl FnOnce(&A, Layout) -> *mut u8,
    ) -> *mut u8 {
        if layout.size() >= overflow::LEAST
            && is_too_much(layout.size())
            && let Some(mapped) = overflow::allocate(layout)
        {
            account::book_overflow(layout.size() as i64);
            return mapped;
        }
        let memory = from_inner(&self.inner, layout);
        if !memory.is_null() {
            account::book(footprint(layout.size()));
        }
        memory
    }
}

// SAFETY: memory comes from `inner`, whose contract is the same, or from the overflow, which hands out
// each address once, zeroed and aligned, until it is given back; `dealloc` and `realloc` tell the two
// apart by address. Nothing here allocates, panics or unwinds.
unsafe impl<A: GlobalAlloc> GlobalAlloc for CountingAllocator<A> {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's.
        unsafe { self.provide(layout, |inner, layout| inner.alloc(layout)) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's; fresh pages of the overflow read as zeros.
        unsafe { self.provide(layout, |inner, layout| inner.alloc_zeroed(layout)) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        if layout.size() >= overflow::LEAST && overflow::holds(memory) {
            overflow::free(memory, layout.size());
            account::book_overflow(-(layout.size() as i64));
            return;
        }
        // SAFETY: the caller's, and it came from `inner`.
        unsafe { self.inner.dealloc(memory, layout) };
        account::book(-footprint(layout.size()));
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        let is_mapped = layout.size() >= overflow::LEAST && overflow::holds(memory);
        let grows_past_gate = new_size >= overflow::LEAST
            && new_size > layout.size()
            // Both blocks exist while one is copied to the other.
            && is_too_much(new_size);
        if !is_mapped && !grows_past_gate {
            // SAFETY: the caller's, and it came from `inner`.
            let moved = unsafe { self.inner.realloc(memory, layout, new_size) };
            if !moved.is_null() {
                account::book(footprint(new_size) - footprint(layout.size()));
            }
            return moved;
        }
        // SAFETY: the caller guarantees a valid size for this alignment; the two blocks are apart,
        // and both hold what is copied.
        unsafe {
            let new = Layout::from_size_align_unchecked(new_size, layout.align());
            let moved = self.alloc(new);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(memory, moved, layout.size().min(new_size));
                self.dealloc(memory, layout);
            }
            moved
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counted_as_jemalloc_rounds_them() {
        let classes = [
            (1, 16),
            (100, 112),
            (128, 128),
            (129, 160),
            (8192, 8192),
            (8193, 10240),
            (16385, 20480),
            (4 << 20, 4 << 20),
            ((4 << 20) + 1, (4 << 20) + 4096),
        ];
        for (size, counted) in classes {
            assert_eq!(footprint(size), counted, "{size}");
        }
    }
}
