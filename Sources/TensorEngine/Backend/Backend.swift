// What a device must be able to do. Operations are written against this, so that a second device is a second file.

/// One side of a matrix product, addressed as (outer, depth): depth is summed over.
package struct MatrixOperand {
    package var tensor: Tensor
    /// False: rows are the outer (output) dimension and columns are summed over. True: the other way round.
    package var isTransposed: Bool
    /// Row numbers of `tensor` to take instead of all of them, an int32 vector on the device.
    package var rowSelection: Tensor?
    /// Column numbers of `tensor` to take instead of all of them.
    package var columnSelection: Tensor?
    /// Whether an f32 left operand may be rounded to bf16 beside a bf16 right one, where that is faster. Activations of
    /// inference are f32 and keep their digits, so that generation says the same on every processor.
    package var rounds: Bool

    package init(
        _ tensor: Tensor, transposed: Bool = false, rows: Tensor? = nil, columns: Tensor? = nil,
        rounds: Bool = false
    ) {
        self.tensor = tensor
        isTransposed = transposed
        rowSelection = rows
        columnSelection = columns
        self.rounds = rounds
    }

    var rowCount: Int { rowSelection?.count ?? tensor.rowCount }
    var columnCount: Int { columnSelection?.count ?? tensor.width }
    package var outerCount: Int { isTransposed ? columnCount : rowCount }
    package var depth: Int { isTransposed ? rowCount : columnCount }
}

/// `scale * left * right^T`, summed over the operands' common depth.
package struct MatrixProduct {
    package var left: MatrixOperand
    package var right: MatrixOperand
    package var scale: Float

    package init(_ left: MatrixOperand, _ right: MatrixOperand, scale: Float = 1) {
        precondition(
            left.depth == right.depth,
            "matrix product: depths differ, left \(left.tensor.shapeDescription), right \(right.tensor.shapeDescription)"
        )
        self.left = left
        self.right = right
        self.scale = scale
    }
}

/// Where a matrix product goes.
package struct MatrixOutput {
    package var tensor: Tensor
    /// Output row i lands in row `rows[i]` of the tensor; distinct.
    package var rows: Tensor?
    /// Output column j lands in column `columns[j]` of the tensor; distinct.
    package var columns: Tensor?
    /// f32 vector with one value for each output column.
    package var bias: Tensor?
    package var accumulates: Bool

    package init(
        _ tensor: Tensor, rows: Tensor? = nil, columns: Tensor? = nil, bias: Tensor? = nil,
        accumulates: Bool = false
    ) {
        self.tensor = tensor
        self.rows = rows
        self.columns = columns
        self.bias = bias
        self.accumulates = accumulates
    }
}

/// A sum of products and where it goes.
package struct MatrixSum {
    package var products: [MatrixProduct]
    package var output: MatrixOutput

    package init(_ products: [MatrixProduct], into output: MatrixOutput) {
        (self.products, self.output) = (products, output)
    }
}

package enum GateActivation: String, Sendable, Codable {
    case silu
    case geluTanh
}

/// Which keys every query row sees; see `CausalLM` for how batches are laid out.
///
/// Sequence s owns query rows `queryStarts[s] ..< queryStarts[s + 1]` and key rows
/// `keyStarts[s] ..< keyStarts[s + 1]`.
/// A query at position p of its sequence sees keys 0...p, the last `window` of them when `window` > 0.
package struct AttentionShape {
    package var sequenceCount: Int
    /// int32 [sequences + 1]
    package var queryStarts: Tensor
    /// int32 [sequences + 1]
    package var keyStarts: Tensor
    /// int32 [queries], ascending within a sequence.
    package var queryPositions: Tensor
    /// int32 [queries], ascending: the rows of q, output and their gradients that the queries are; nil for all rows.
    package var queryRows: Tensor?
    package var headCount: Int
    package var keyValueHeadCount: Int
    package var headWidth: Int
    package var scale: Float
    /// 0: none. Otherwise scores become `softcap * tanh(score / softcap)`.
    package var softcap: Float
    /// 0: unlimited.
    package var window: Int

    package init(
        sequenceCount: Int, queryStarts: Tensor, keyStarts: Tensor, queryPositions: Tensor, headCount: Int,
        keyValueHeadCount: Int, headWidth: Int, scale: Float, softcap: Float = 0, window: Int = 0
    ) {
        self.sequenceCount = sequenceCount
        self.queryStarts = queryStarts
        self.keyStarts = keyStarts
        self.queryPositions = queryPositions
        self.headCount = headCount
        self.keyValueHeadCount = keyValueHeadCount
        self.headWidth = headWidth
        self.scale = scale
        self.softcap = softcap
        self.window = window
    }
}

package struct AdamWSettings: Sendable {
    package var learningRate: Float
    package var beta1: Float
    package var beta2: Float
    package var epsilon: Float
    package var weightDecay: Float
    /// Steps taken, this one included; at least 1.
    package var step: Int
    /// Multiplies every gradient: the clipping factor.
    package var gradientScale: Float

    package init(
        learningRate: Float, beta1: Float = 0.9, beta2: Float = 0.999, epsilon: Float = 1e-8,
        weightDecay: Float = 0, step: Int, gradientScale: Float = 1
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.step = step
        self.gradientScale = gradientScale
    }
}

/// The kernels of a device. Each forward stands beside its backward; sums have a fixed order.
///
/// No operation may assume that the host can read device memory: only `upload` and `download` cross over.
/// Shapes never depend on data. One thread drives a backend.
package protocol Backend: AnyObject {
    /// Instruction set or device, for people.
    var description: String { get }

    func makeTensor(rowCount: Int, width: Int, type: ElementType) -> Tensor
    func upload(_ values: [Float], rowCount: Int, width: Int, type: ElementType) -> Tensor
    func upload(_ indices: [Int32]) -> Tensor
    func download(_ tensor: Tensor) -> [Float]
    func downloadIndices(_ tensor: Tensor) -> [Int32]

    /// output (+)= the sum of the products, one pass over the output.
    func multiply(_ products: [MatrixProduct], into output: MatrixOutput)

    /// The same for several that do not depend on each other, perhaps side by side.
    func multiply(_ group: [MatrixSum])

    /// y = x / rms(x) * (weight + offset); `inverseRMS` f32 [rows] is kept for the backward.
    func rmsNorm(
        _ x: Tensor, weight: Tensor, offset: Float, epsilon: Float, into y: Tensor, inverseRMS: Tensor)
    func rmsNormBackward(
        _ x: Tensor, weight: Tensor, offset: Float, inverseRMS: Tensor, outputGradient: Tensor,
        into inputGradient: Tensor, accumulates: Bool)

    /// Rotates the pairs (d, d + rotaryWidth / 2) of every head in place; `direction` -1 is the pullback.
    func rotate(
        _ x: Tensor, headWidth: Int, rotaryWidth: Int, positions: Tensor, cosines: Tensor, sines: Tensor,
        direction: Float)

    func attention(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, into output: Tensor, logSumExp: Tensor?)
    func attentionBackward(
        _ shape: AttentionShape, q: Tensor, k: Tensor, v: Tensor, output: Tensor, logSumExp: Tensor,
        outputGradient: Tensor, dq: Tensor, dk: Tensor, dv: Tensor)

    /// output = activation(gate) * up
    ///
    /// - Parameter rows: int32, the row of gate and up that each row of the output is made of; nil for its own.
    func gate(
        _ activation: GateActivation, gate: Tensor, up: Tensor, rows: Tensor?, into output: Tensor)
    func gateBackward(
        _ activation: GateActivation, gate: Tensor, up: Tensor, rows: Tensor?, outputGradient: Tensor,
        gateGradient: Tensor, upGradient: Tensor)

    /// output[i] = scale * table[indices[i]]
    func gatherRows(of table: Tensor, indices: Tensor, scale: Float, into output: Tensor)
    /// output[indices[i]] (+)= rows[i]
    func scatterRows(_ rows: Tensor, indices: Tensor, into output: Tensor, accumulates: Bool)
    /// output[i] = the sum of x[members[j]] over j in starts[i] ..< starts[i + 1]; starts int32 [output rows + 1].
    func sumRows(of x: Tensor, starts: Tensor, members: Tensor, into output: Tensor)
    func add(_ a: Tensor, _ b: Tensor, into output: Tensor)
    /// Copies and converts: output = scale * x
    func copy(_ x: Tensor, scale: Float, into output: Tensor)
    func fill(_ output: Tensor, with value: Float)
    /// Zeroes elements with probability `rate` and scales the rest; the same seed gives the same mask.
    func dropout(_ x: Tensor, rate: Float, seed: UInt64, into output: Tensor)

    /// Takes a block of columns of logits hidden x head^T (f32 [rows, columns]) into the running softmax of `state`
    /// (f32 [rows, 4]); the blocks go from column 0 upwards. z = softcap > 0 ? softcap * tanh(logit / softcap) : logit.
    ///
    /// With `sums` (f32 [rows, D]) the logits become exp(z - largest z so far) * dz/dlogit; the caller adds their product
    /// with the block's rows of the head to `sums`, which is started and, where a larger z turns up, scaled here.
    func crossEntropyBlock(
        logits: Tensor, firstColumn: Int, labels: Tensor, softcap: Float, state: Tensor, sums: Tensor?)
    /// After a block with `sums`: the columns, an ascending int32 vector, in which some labelled row has at least this share
    /// of its sum of exponentials so far. No row's probability of another column's word reaches it.
    func probableColumns(ofLogits logits: Tensor, labels: Tensor, state: Tensor, threshold: Float) -> Tensor
    /// After the last block: losses (f32 [rows], 0 where the label is negative), and gradientScale * dloss/dhidden from the
    /// head [V, D], which may be written over `sums`.
    func endCrossEntropy(
        labels: Tensor, state: Tensor, losses: Tensor, sums: Tensor?, head: Tensor, gradientScale: Float,
        gradient: Tensor?)

    func adamW(
        parameter: Tensor, gradient: Tensor, firstMoment: Tensor, secondMoment: Tensor,
        settings: AdamWSettings)
    /// In double precision and a fixed order; not finite when an element is not.
    func sumOfSquares(_ x: Tensor) -> Double

    /// sums[j] = the sum over the selected rows (nil: all) of x[i, j], or of its square; f32 [1, width], fixed order.
    func columnSums(of x: Tensor, rows: Tensor?, squared: Bool, into sums: Tensor)
    /// sums[i] = the sum over j of x[rows[i], j] squared, of all rows when `rows` is nil; f32 [1, rows].
    func squaredRowSums(of x: Tensor, rows: Tensor?, into sums: Tensor)
    /// values[i] = indices[positions[i]], int32 vectors.
    func elements(ofIndices indices: Tensor, at positions: Tensor) -> Tensor
    /// The positions in `candidates` of those of them that are in `elements`: int32 vectors, all ascending.
    func positions(of elements: Tensor, in candidates: Tensor) -> Tensor
    /// For each of the boundaries how many of the elements are below it: int32 vectors, all ascending.
    func counts(of elements: Tensor, below boundaries: Tensor) -> Tensor
    /// Which `count` of the scores, f32 [1, n], are the largest and which are not: int32 vectors, ascending.
    /// Of equal scores the lower index counts as larger, NaN as the smallest of all.
    func selectLargest(_ scores: Tensor, count: Int) -> (kept: Tensor, rest: Tensor)
}
