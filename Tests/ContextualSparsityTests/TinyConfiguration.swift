// A decoder small enough to count by hand.

import TensorEngine

@testable import Models

extension DecoderConfiguration {
    /// V 10, D 4, F 6, 2 layers, 2 heads of width 2 over 1 key-value head.
    static let tiny = DecoderConfiguration(
        vocabularySize: 10, width: 4, feedForwardWidth: 6, layerCount: 2, headCount: 2, keyValueHeadCount: 1,
        headWidth: 2, maximumPositions: 64, normEpsilon: 1e-5,
        rotary: RotaryConfiguration(theta: 10000, width: 2), tiesEmbeddings: true, windows: [0, 0],
        queryScale: 1)
}
