// Lists that threads fill, in no order.

/// A place in a list for each thread that comes here, which all name the same count: threads that come together
/// add to it once.
__device__ __forceinline__ Word claim(Word* count) {
    const unsigned together = __activemask();
    const unsigned lane = threadIdx.x % 32;
    const int leader = __ffs(int(together)) - 1;
    Word first = 0;
    if (int(lane) == leader) first = atomicAdd(count, Word(__popc(together)));
    first = __shfl_sync(together, first, leader);
    return first + __popc(together & ((1u << lane) - 1));
}
