// Attention on the processor.

internal import CKernels

extension CPUBackend {
    package func attention(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, into output: Tensor, logSumExp: Tensor?
    ) {
        check(shape, q: q, k: k, v: v, output: output, logSumExp: logSumExp)
        var raw = kernelShape(shape, rowCount: q.rowCount, keyRows: k.rowCount)
        sl_attention(
            &raw, q.matrix, k.matrix, v.matrix, output.matrix, logSumExp?.floats("attention, log-sum-exp"))
    }

    package func attentionBackward(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, output: Tensor, logSumExp: Tensor,
        outputGradient: Tensor, dq: Tensor, dk: Tensor, dv: Tensor
    ) {
        check(shape, q: q, k: k, v: v, output: output, logSumExp: logSumExp)
        requireSameShape("attentionBackward", q, output, outputGradient, dq)
        requireSameShape("attentionBackward", k, v, dk, dv)
        var raw = kernelShape(shape, rowCount: q.rowCount, keyRows: k.rowCount)
        precondition(
            raw.key_starts[0] == 0 && Int(raw.key_starts[shape.sequenceCount]) == k.rowCount,
            "attentionBackward: sequences do not cover \(k.rowCount) keys, so some would get no gradient")
        let delta = makeTensor(rowCount: q.rowCount, width: shape.headCount, type: .float32)
        sl_attention_backward(
            &raw, q.matrix, k.matrix, v.matrix, output.matrix, logSumExp.floats("attentionBackward"),
            outputGradient.matrix, delta.floats("attentionBackward"), dq.matrix, dk.matrix, dv.matrix)
    }

    private func check(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, output: Tensor, logSumExp: Tensor?
    ) {
        requireSameShape("attention, q and output", q, output)
        requireSameShape("attention, k and v", k, v)
        precondition(
            shape.headWidth > 0 && shape.headCount > 0 && shape.keyValueHeadCount > 0
                && shape.headCount % shape.keyValueHeadCount == 0
                && q.width == shape.headCount * shape.headWidth
                && k.width == shape.keyValueHeadCount * shape.headWidth
                && (logSumExp?.count ?? q.rowCount * shape.headCount) == q.rowCount * shape.headCount,
            "attention: q \(q.shapeDescription), k \(k.shapeDescription), "
                + "\(shape.headCount) and \(shape.keyValueHeadCount) heads of \(shape.headWidth)")
        let queryCount = shape.queryRows?.count ?? q.rowCount
        precondition(
            shape.queryPositions.count == queryCount && shape.queryStarts.count == shape.sequenceCount + 1
                && shape.keyStarts.count == shape.sequenceCount + 1,
            "attention: \(shape.sequenceCount) sequences, \(shape.queryPositions.count) positions for "
                + "\(queryCount) queries")
    }

    /// Checks that sequences tile the rows and that every query's keys exist: the kernels follow these blindly.
    private func kernelShape(_ shape: AttentionShape, rowCount: Int, keyRows: Int) -> sl_attention_shape {
        let queryCount = shape.queryPositions.count
        let queryRows = shape.queryRows?.indices("attention, query rows", below: rowCount)
        if let queryRows {
            precondition(
                (1..<max(1, queryCount)).allSatisfy { queryRows[$0 - 1] < queryRows[$0] },
                "attention: query rows must ascend")
        }
        let queryStarts = shape.queryStarts.indices("attention, query starts", below: queryCount + 1)
        let keyStarts = shape.keyStarts.indices("attention, key starts", below: keyRows + 1)
        let positions = shape.queryPositions.indices("attention, positions", below: keyRows)
        for sequence in 0..<shape.sequenceCount {
            let queries = (queryStarts[sequence], queryStarts[sequence + 1])
            let keys = (keyStarts[sequence], keyStarts[sequence + 1])
            precondition(
                queries.0 <= queries.1 && keys.0 <= keys.1,
                "attention: sequence \(sequence) has queries \(queries) and keys \(keys)")
            var earlier: Int32 = 0
            for query in Int(queries.0)..<Int(queries.1) {
                precondition(
                    positions[query] >= earlier && positions[query] < keys.1 - keys.0,
                    "attention: query \(query) of sequence \(sequence) at position \(positions[query]) "
                        + "after \(earlier), \(keys.1 - keys.0) keys")
                earlier = positions[query]
            }
        }
        precondition(
            Int(queryStarts[0]) == 0 && Int(queryStarts[shape.sequenceCount]) == queryCount,
            "attention: sequences do not cover \(queryCount) queries")
        return sl_attention_shape(
            sequences: Int64(shape.sequenceCount), query_starts: queryStarts, key_starts: keyStarts,
            query_positions: positions, query_rows: queryRows, heads: Int64(shape.headCount),
            key_value_heads: Int64(shape.keyValueHeadCount), head_width: Int64(shape.headWidth),
            scale: shape.scale, softcap: shape.softcap, window: Int64(shape.window))
    }
}
