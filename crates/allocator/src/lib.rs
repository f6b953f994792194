//! The allocator of a program that has the engine in it: jemalloc, counted and gated.
//!
//! A program that links this crate and calls [`install`] keeps to its line; one with another allocator has
//! the engine's memory accounted for by what operators reserve, and no more.

use std::ffi::CStr;
use std::ptr;

#[cfg(not(feature = "uncounted"))]
use plimsoll_memory::CountingAllocator;
use tikv_jemallocator::Jemalloc;

#[cfg(not(feature = "uncounted"))]
#[global_allocator]
static ALLOCATOR: CountingAllocator<Jemalloc> = CountingAllocator::new(Jemalloc);

#[cfg(feature = "uncounted")]
#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// How jemalloc is to behave, read by it when the process starts: freed pages go back after half a
/// second, from a thread of its own; at once would cost queries two to five times their time.
// SAFETY: jemalloc looks for this symbol and reads it as a C string, which it is; nothing writes it.
#[allow(non_upper_case_globals)]
#[unsafe(export_name = "malloc_conf")]
pub static malloc_conf: &[u8; 59] = b"background_thread:true,dirty_decay_ms:500,muzzy_decay_ms:0\0";

/// Lets the engine keep the process within its line. Call it first in `main`.
pub fn install() {
    plimsoll_memory::purge_with(purge);
}

/// Gives all freed pages back to the system now, but those that threads' caches hold on to.
pub fn purge() {
    // The number stands for all arenas: MALLCTL_ARENAS_ALL in jemalloc.h.
    control(c"arena.4096.purge");
}

/// Empties the cache that this thread has of what it freed, so that a [`purge`] can give its pages back. For a thread
/// that will have nothing to do for a while: filling the cache anew takes time.
pub fn empty_thread_cache() {
    control(c"thread.tcache.flush");
}

/// Does what a control of jemalloc's stands for.
fn control(name: &CStr) {
    // SAFETY: each of the controls here takes and gives nothing, and the name is a C string. It fails only if there is
    // no such control or nothing for it to do, and then nothing was done.
    unsafe {
        tikv_jemalloc_sys::mallctl(
            name.as_ptr(),
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
            0,
        );
    }
}
