// Causal attention over concatenated sequences.

extension Tape {
    /// q [Tq, H*K], k and v [Tk, KV*K] -> [Tq, H*K].
    ///
    /// Keeps q, k, v (normalised ones are made again), the output and one float for each row and head.
    ///
    /// - Parameter gradients: which queries have a gradient; nil for all.
    package func attention(
        _ query: Variable, _ key: Variable, _ value: Variable, shape: AttentionShape,
        gradients: QueryGradients? = nil
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
        func contribute(_ dq: Tensor, _ dk: Tensor, _ dv: Tensor) {
            querySlot?.contribute(dq, on: backend)
            keySlot?.contribute(dk, on: backend)
            valueSlot?.contribute(dv, on: backend)
        }
        return record(output) { [backend] gradient in
            let (q, k, v) = (savedQuery.tensor, savedKey.tensor, savedValue.tensor)
            func empty(like x: Tensor) -> Tensor {
                backend.makeTensor(rowCount: x.rowCount, width: x.width, type: x.type)
            }
            let (dq, dk, dv) = (empty(like: q), empty(like: k), empty(like: v))
            if gradients != nil { backend.fill(dq, with: 0) }
            backend.attentionBackward(
                gradients?.shape(of: shape, on: backend) ?? shape, q: q, k: k, v: v, output: output,
                logSumExp: logSumExp, outputGradient: gradient, dq: dq, dk: dk, dv: dv)
            contribute(dq, dk, dv)
        }
    }
}

/// The queries that have a gradient where not all do: nothing is computed for the others.
package struct QueryGradients {
    private let chosen: GradientRows

    package init(_ chosen: GradientRows) { self.chosen = chosen }

    /// The shape of an attention with these queries alone. To be asked in the backward pass.
    fileprivate func shape(of shape: AttentionShape, on backend: any Backend) -> AttentionShape {
        let rows = chosen.chosen.rows
        var some = shape
        some.queryRows = rows
        some.queryStarts = backend.counts(of: rows, below: shape.queryStarts)
        some.queryPositions = backend.elements(ofIndices: shape.queryPositions, at: rows)
        return some
    }
}
