// Random test data that is the same in every run and on every machine.

package import TensorEngine

/// SplitMix64 (Steele, Lea and Flood 2014).
package struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    package init(seed: UInt64) { state = seed }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Values spread evenly over -limit ..< limit.
    package mutating func floats(_ count: Int, limit: Float = 1) -> [Float] {
        (0..<count).map { _ in
            // 24 random bits are exact in f32.
            (Float(next() >> 40) / 8_388_608 - 1) * limit
        }
    }

    package mutating func tensor(
        _ rowCount: Int, _ width: Int, limit: Float = 1, type: ElementType = .float32, on backend: any Backend
    ) -> Tensor {
        backend.upload(
            floats(rowCount * width, limit: limit), rowCount: rowCount, width: width, type: type)
    }
}
