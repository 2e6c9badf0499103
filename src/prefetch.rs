//! Memory that is needed soon.

/// Bytes of a line of the cache.
pub(crate) const LINE: usize = 64;

/// Has the lines of the cache fetched in which the first bytes of something lie.
#[inline(always)]
pub(crate) fn prefetch<T: ?Sized>(at: &T, bytes: usize) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        let at_byte = std::ptr::from_ref(at).cast::<i8>();
        let before = at_byte.addr() % LINE;
        let first = at_byte.wrapping_sub(before);
        for byte in (0..before + bytes).step_by(LINE) {
            // SAFETY: a hint, which neither reads nor faults, whatever the address.
            unsafe { _mm_prefetch::<_MM_HINT_T0>(first.wrapping_add(byte)) };
        }
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (at, bytes);
}
