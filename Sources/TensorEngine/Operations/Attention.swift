// Causal attention over concatenated sequences.

extension Tape {
    /// q [Tq, H*K], k and v [Tk, KV*K] -> [Tq, H*K].
    package func attention(_ q: Variable, _ k: Variable, _ v: Variable, shape: AttentionShape) -> Variable {
        let output = backend.makeTensor(rowCount: q.value.rowCount, width: q.value.width, type: q.value.type)
        guard records(q, k, v) else {
            backend.attention(shape, q: q.value, k: k.value, v: v.value, into: output, logSumExp: nil)
            return constant(output)
        }
        let logSumExp = backend.makeTensor(rowCount: q.value.rowCount, width: shape.headCount, type: .float32)
        backend.attention(shape, q: q.value, k: k.value, v: v.value, into: output, logSumExp: logSumExp)
        return record(output) { [backend] gradient in
            let dq = backend.makeTensor(rowCount: q.value.rowCount, width: q.value.width, type: gradient.type)
            let dk = backend.makeTensor(rowCount: k.value.rowCount, width: k.value.width, type: gradient.type)
            let dv = backend.makeTensor(rowCount: v.value.rowCount, width: v.value.width, type: gradient.type)
            backend.attentionBackward(
                shape, q: q.value, k: k.value, v: v.value, output: output, logSumExp: logSumExp,
                outputGradient: gradient, dq: dq, dk: dk, dv: dv)
            q.contribute(dq, on: backend)
            k.contribute(dk, on: backend)
            v.contribute(dv, on: backend)
        }
    }
}
