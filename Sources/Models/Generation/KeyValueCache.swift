// Keys and values of the tokens seen so far, so that each new token is computed once.

import TensorEngine

/// A cache of slots, one per sequence, each with room for `capacity` tokens.
///
/// Every layer has one K and one V matrix [slots * capacity, KV * K]; slot s owns the rows from s * capacity on. A
/// sequence that is done simply leaves its slot: attention takes any ascending set of slots, because a query never
/// looks past its own position.
final class KeyValueCache {
    let slotCount: Int
    private(set) var capacity: Int
    /// What a slot will not outgrow before this is raised, so that doubling does not go beyond.
    var largestCapacity: Int
    /// Tokens in each slot.
    private(set) var lengths: [Int]
    private var keys: [Tensor]
    private var values: [Tensor]
    private let backend: any Backend

    init(slotCount: Int, capacity: Int, largestCapacity: Int, model: CausalLM) {
        self.slotCount = slotCount
        self.capacity = max(1, capacity)
        self.largestCapacity = largestCapacity
        backend = model.backend
        lengths = Array(repeating: 0, count: slotCount)
        let rows = slotCount * self.capacity
        let (width, type) = (model.configuration.keyValueWidth, CausalLM.inferenceType)
        func zeros() -> Tensor {
            let tensor = model.backend.makeTensor(rowCount: rows, width: width, type: type)
            // Rows beyond a sequence's end are multiplied by a weight of zero, which must not meet a NaN.
            model.backend.fill(tensor, with: 0)
            return tensor
        }
        keys = (0..<model.configuration.layerCount).map { _ in zeros() }
        values = (0..<model.configuration.layerCount).map { _ in zeros() }
    }

    /// Empties a slot for another sequence.
    func clear(slot: Int) { lengths[slot] = 0 }

    /// Forgets all but a slot's first tokens.
    func truncate(slot: Int, to length: Int) {
        precondition(length <= lengths[slot], "KeyValueCache: \(length) of \(lengths[slot]) tokens")
        lengths[slot] = length
    }

    /// Makes room for `counts[i]` more tokens in `slots[i]` (ascending) and says where they go.
    ///
    /// - Parameter pending: tokens of each slot's sequence that are known and still to come in later passes.
    func place(_ counts: [Int], in slots: [Int], pending: [Int]) -> CachePlacement {
        precondition(
            slots.count == counts.count && !slots.isEmpty
                && zip(slots, slots.dropFirst()).allSatisfy { $0 < $1 },
            "KeyValueCache: slots \(slots) must ascend")
        let needed = zip(slots, counts).map { lengths[$0] + $1 }.max() ?? 0
        if needed > capacity { grow(to: max(needed, min(2 * capacity, largestCapacity))) }
        var rows: [Int32] = []
        var positions: [Int32] = []
        for (slot, count) in zip(slots, counts) {
            for position in lengths[slot]..<lengths[slot] + count {
                rows.append(Int32(slot * capacity + position))
                positions.append(Int32(position))
            }
            lengths[slot] += count
        }
        let starts = slots.map { Int32($0 * capacity) } + [Int32(slotCount * capacity)]
        return CachePlacement(
            cache: self, rows: backend.upload(rows), positions: positions, keyStarts: starts,
            sequenceLengths: zip(slots, pending).map { lengths[$0] + $1 })
    }

    fileprivate func store(_ newKeys: Tensor, _ newValues: Tensor, rows: Tensor, layer: Int) -> (
        Tensor, Tensor
    ) {
        backend.scatterRows(newKeys, indices: rows, into: keys[layer], accumulates: false)
        backend.scatterRows(newValues, indices: rows, into: values[layer], accumulates: false)
        return (keys[layer], values[layer])
    }

    private func grow(to newCapacity: Int) {
        for layer in keys.indices {
            keys[layer] = grown(keys[layer], to: newCapacity)
            values[layer] = grown(values[layer], to: newCapacity)
        }
        capacity = newCapacity
    }

    private func grown(_ old: Tensor, to newCapacity: Int) -> Tensor {
        let new = backend.makeTensor(rowCount: slotCount * newCapacity, width: old.width, type: old.type)
        backend.fill(new, with: 0)
        for slot in 0..<slotCount where lengths[slot] > 0 {
            let length = min(lengths[slot], capacity)
            backend.copy(
                old.rows(slot * capacity..<slot * capacity + length), scale: 1,
                into: new.rows(slot * newCapacity..<slot * newCapacity + length))
        }
        return new
    }
}

/// Where the tokens of one forward pass stand in a cache.
struct CachePlacement {
    let cache: KeyValueCache
    /// int32 [T]: the cache row of each token.
    let rows: Tensor
    /// Place of each token within its sequence.
    let positions: [Int32]
    /// First cache row of each sequence, and the end of the last.
    let keyStarts: [Int32]
    /// Tokens of each sequence as far as they are known: a prompt in parts counts as a whole.
    let sequenceLengths: [Int]

    /// Puts a layer's new keys and values in place and returns the whole cache as operands of attention.
    func store(keys: Tensor, values: Tensor, layer: Int, on tape: Tape) -> (Variable, Variable) {
        let (allKeys, allValues) = cache.store(keys, values, rows: rows, layer: layer)
        return (tape.constant(allKeys), tape.constant(allValues))
    }
}
