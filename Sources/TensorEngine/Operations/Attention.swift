// Causal attention over concatenated sequences.

extension Tape {
    /// q [Tq, H*K], k and v [Tk, KV*K] -> [Tq, H*K].
    ///
    /// Keeps q, k, v (normalised ones are made again), the output and one float for each row and head.
    package func attention(
        _ query: Variable, _ key: Variable, _ value: Variable, shape: AttentionShape
    ) -> Variable {
        let (q, k, v) = (query.value, key.value, value.value)
        let output = backend.makeTensor(rowCount: q.rowCount, width: q.width, type: q.type)
        guard records(query, key, value) else {
            backend.attention(shape, q: q, k: k, v: v, into: output, logSumExp: nil)
            return constant(output)
        }
        let logSumExp = backend.makeTensor(rowCount: q.rowCount, width: shape.headCount, type: .float32)
        backend.attention(shape, q: q, k: k, v: v, into: output, logSumExp: logSumExp)
        let (querySlot, keySlot, valueSlot) = (query.gradientSlot, key.gradientSlot, value.gradientSlot)
        let (savedQuery, savedKey, savedValue) = (query.saved, key.saved, value.saved)
        return record(output) { [backend] gradient in
            let (q, k, v) = (savedQuery.tensor, savedKey.tensor, savedValue.tensor)
            let dq = backend.makeTensor(rowCount: q.rowCount, width: q.width, type: q.type)
            let dk = backend.makeTensor(rowCount: k.rowCount, width: k.width, type: k.type)
            let dv = backend.makeTensor(rowCount: v.rowCount, width: v.width, type: v.type)
            backend.attentionBackward(
                shape, q: q, k: k, v: v, output: output, logSumExp: logSumExp, outputGradient: gradient,
                dq: dq, dk: dk, dv: dv)
            querySlot?.contribute(dq, on: backend)
            keySlot?.contribute(dk, on: backend)
            valueSlot?.contribute(dv, on: backend)
        }
    }
}
