// The processor as a backend: checks shapes, then calls the C kernels.

internal import CKernels

/// Runs on the host processor with the best instruction set it has (`SPARSELORA_ISA` overrides).
package final class CPUBackend: Backend {
    private let pool: MemoryPool

    /// - Parameter pool: where this backend's tensors live.
    package init(pool: MemoryPool = .shared) { self.pool = pool }

    package var description: String {
        "\(String(cString: sl_isa_name(sl_isa_current()))), \(sl_thread_count()) threads"
    }

    /// What the user should know of the `SPARSELORA_ISA` setting, if anything.
    package static var settingProblem: String? {
        let problem = String(cString: sl_isa_problem())
        return problem.isEmpty ? nil : problem
    }

    package static var threadCount: Int {
        get { Int(sl_thread_count()) }
        set { sl_set_thread_count(Int32(clamping: newValue)) }
    }

    package func makeTensor(rowCount: Int, width: Int, type: ElementType) -> Tensor {
        Tensor(rowCount: rowCount, width: width, type: type, pool: pool)
    }

    package func upload(_ values: [Float], rowCount: Int, width: Int, type: ElementType) -> Tensor {
        precondition(
            values.count == rowCount * width, "upload: \(values.count) values for [\(rowCount), \(width)]")
        let result = makeTensor(rowCount: rowCount, width: width, type: type)
        values.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            let source = sl_matrix(
                data: UnsafeMutableRawPointer(mutating: base), type: SL_F32, stride: Int64(width))
            sl_scale(Int64(rowCount), Int64(width), 1, source, result.matrix)
        }
        return result
    }

    package func upload(_ indices: [Int32]) -> Tensor {
        let result = makeTensor(rowCount: 1, width: indices.count, type: .int32)
        indices.withUnsafeBytes { bytes in
            guard let base = bytes.baseAddress else { return }
            result.address.copyMemory(from: base, byteCount: bytes.count)
        }
        return result
    }

    package func download(_ tensor: Tensor) -> [Float] {
        [Float](unsafeUninitializedCapacity: tensor.count) { buffer, count in
            count = tensor.count
            guard let base = buffer.baseAddress, count > 0 else { return }
            let target = sl_matrix(
                data: UnsafeMutableRawPointer(base), type: SL_F32, stride: Int64(tensor.width))
            sl_scale(Int64(tensor.rowCount), Int64(tensor.width), 1, tensor.matrix, target)
        }
    }

    package func downloadIndices(_ tensor: Tensor) -> [Int32] {
        precondition(
            tensor.type == .int32 && tensor.isContiguous, "downloadIndices: \(tensor.shapeDescription)")
        return Array(
            UnsafeBufferPointer(
                start: tensor.address.assumingMemoryBound(to: Int32.self), count: tensor.count))
    }

    package func multiply(_ products: [MatrixProduct], into output: MatrixOutput) {
        var result = Self.checked(output, of: products)
        withUnsafeTemporaryAllocation(of: sl_product.self, capacity: products.count) { terms in
            for (index, product) in products.enumerated() {
                terms.initializeElement(at: index, to: Self.term(product))
            }
            sl_gemm(
                Int64(products[0].left.outerCount), Int64(products[0].right.outerCount), terms.baseAddress,
                Int32(products.count), &result)
        }
    }

    package func multiply(_ group: [MatrixSum]) {
        if group.count == 1 {
            multiply(group[0].products, into: group[0].output)
            return
        }
        let outputs = group.map { Self.checked($0.output, of: $0.products) }
        let terms = group.flatMap { $0.products.map(Self.term) }
        terms.withUnsafeBufferPointer { terms in
            outputs.withUnsafeBufferPointer { outputs in
                var start = 0
                let calls = group.enumerated().map { number, sum in
                    defer { start += sum.products.count }
                    return sl_gemm_call(
                        rows: Int64(sum.products[0].left.outerCount),
                        columns: Int64(sum.products[0].right.outerCount),
                        products: terms.baseAddress.map { $0 + start },
                        product_count: Int32(sum.products.count),
                        output: outputs.baseAddress.map { $0 + number })
                }
                sl_gemm_together(calls, Int32(calls.count))
            }
        }
    }

    /// Where products go, once all shapes have been found to fit.
    private static func checked(_ output: MatrixOutput, of products: [MatrixProduct]) -> sl_output {
        precondition(!products.isEmpty, "multiply: no terms")
        let rows = products[0].left.outerCount
        let columns = products[0].right.outerCount
        for product in products {
            precondition(
                product.left.outerCount == rows && product.right.outerCount == columns,
                "multiply: a term [\(product.left.outerCount), \(product.right.outerCount)] "
                    + "beside one [\(rows), \(columns)]")
        }
        let target = output.tensor
        precondition(
            (output.rows?.count ?? target.rowCount) == rows
                && (output.columns?.count ?? target.width) == columns
                && (output.bias?.count ?? columns) == columns,
            "multiply: [\(rows), \(columns)] into \(target.shapeDescription), "
                + "bias \(output.bias?.shapeDescription ?? "none")")
        var result = sl_output()
        result.data = target.address
        result.type = target.type.kernelType
        result.stride = Int64(target.rowStride)
        result.row_index = output.rows.map {
            UnsafePointer($0.indices("multiply, output rows", below: target.rowCount))
        }
        result.column_index = output.columns.map {
            UnsafePointer($0.indices("multiply, output columns", below: target.width))
        }
        result.bias = output.bias.map { UnsafePointer($0.floats("multiply, bias")) }
        result.accumulate = output.accumulates
        return result
    }

    private static func term(_ product: MatrixProduct) -> sl_product {
        sl_product(
            left: operand(product.left), right: operand(product.right), depth: Int64(product.left.depth),
            scale: product.scale)
    }

    private static func operand(_ operand: MatrixOperand) -> sl_operand {
        let tensor = operand.tensor
        let rows = operand.rowSelection.map {
            UnsafePointer($0.indices("multiply, selected rows", below: tensor.rowCount))
        }
        let columns = operand.columnSelection.map {
            UnsafePointer($0.indices("multiply, selected columns", below: tensor.width))
        }
        let stride = Int64(tensor.rowStride)
        return sl_operand(
            data: UnsafeRawPointer(tensor.address), type: tensor.type.kernelType,
            outer_stride: operand.isTransposed ? 1 : stride, depth_stride: operand.isTransposed ? stride : 1,
            outer_index: operand.isTransposed ? columns : rows,
            depth_index: operand.isTransposed ? rows : columns,
            rounds: operand.rounds)
    }

    package func adamW(
        parameter: Tensor, gradient: Tensor, firstMoment: Tensor, secondMoment: Tensor,
        settings: AdamWSettings
    ) {
        for tensor in [parameter, gradient, firstMoment, secondMoment] {
            precondition(
                tensor.count == parameter.count,
                "adamW: \(tensor.shapeDescription) for a parameter \(parameter.shapeDescription)")
        }
        precondition(settings.step >= 1, "adamW: step \(settings.step)")
        var raw = sl_adamw_settings(
            learning_rate: settings.learningRate, beta1: settings.beta1, beta2: settings.beta2,
            epsilon: settings.epsilon, weight_decay: settings.weightDecay,
            bias_correction1: Self.biasCorrection(settings.beta1, settings.step),
            bias_correction2: Self.biasCorrection(settings.beta2, settings.step),
            gradient_scale: settings.gradientScale)
        sl_adamw(
            Int64(parameter.count), parameter.floats("adamW"), gradient.floats("adamW"),
            firstMoment.floats("adamW"), secondMoment.floats("adamW"), &raw)
    }

    /// 1 - beta^step, in double: in f32 the power loses its digits as the step grows.
    private static func biasCorrection(_ beta: Float, _ step: Int) -> Float {
        var power = 1.0
        var base = Double(beta)
        var remaining = step
        while remaining > 0 {
            if remaining & 1 == 1 { power *= base }
            base *= base
            remaining >>= 1
        }
        return Float(1 - power)
    }

    package func sumOfSquares(_ x: Tensor) -> Double {
        sl_sum_of_squares(Int64(x.count), x.floats("sumOfSquares"))
    }
}
