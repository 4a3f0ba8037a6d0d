// Attention on the processor.

internal import CKernels

extension CPUBackend {
    package func attention(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, into output: Tensor, logSumExp: Tensor?
    ) {
        check(shape, q: q, k: k, v: v, output: output)
        var raw = kernelShape(shape)
        sl_attention(
            &raw, q.matrix, k.matrix, v.matrix, output.matrix, logSumExp?.pointer(to: Float.self))
    }

    package func attentionBackward(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, output: Tensor, logSumExp: Tensor,
        outputGradient: Tensor, dq: Tensor, dk: Tensor, dv: Tensor
    ) {
        check(shape, q: q, k: k, v: v, output: output)
        requireSameShape("attentionBackward", q, output, outputGradient, dq)
        requireSameShape("attentionBackward", k, v, dk, dv)
        var raw = kernelShape(shape)
        let delta = makeTensor(rowCount: q.rowCount, width: shape.headCount, type: .float32)
        sl_attention_backward(
            &raw, q.matrix, k.matrix, v.matrix, output.matrix, logSumExp.pointer(to: Float.self),
            outputGradient.matrix, delta.pointer(to: Float.self), dq.matrix, dk.matrix, dv.matrix)
    }

    private func check(_ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, output: Tensor) {
        precondition(
            q.width == shape.headCount * shape.headWidth && k.width == shape.keyValueHeadCount * shape.headWidth
                && k.width == v.width && k.rowCount == v.rowCount && output.width == q.width
                && output.rowCount == q.rowCount && shape.headCount % shape.keyValueHeadCount == 0
                && shape.queryPositions.count == q.rowCount && shape.queryStarts.count == shape.sequenceCount + 1
                && shape.keyStarts.count == shape.sequenceCount + 1,
            "attention: q \(q.shapeDescription), k \(k.shapeDescription), v \(v.shapeDescription), "
                + "\(shape.headCount) and \(shape.keyValueHeadCount) heads of \(shape.headWidth)")
    }

    private func kernelShape(_ shape: AttentionShape) -> sl_attention_shape {
        sl_attention_shape(
            sequences: Int64(shape.sequenceCount), query_starts: shape.queryStarts.pointer(to: Int32.self),
            key_starts: shape.keyStarts.pointer(to: Int32.self),
            query_positions: shape.queryPositions.pointer(to: Int32.self), heads: Int64(shape.headCount),
            key_value_heads: Int64(shape.keyValueHeadCount), head_width: Int64(shape.headWidth),
            scale: shape.scale, softcap: shape.softcap, window: Int64(shape.window))
    }
}
