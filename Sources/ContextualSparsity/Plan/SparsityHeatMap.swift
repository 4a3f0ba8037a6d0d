// How much the loss rises when one block runs sparse, and what a plan makes of it.

/// Measured sensitivities of every block of a model, with the plan that follows from them.
package struct SparsityHeatMap: Sendable {
    package var title: String
    /// Rise of the loss relative to dense when attention of each layer alone is sparse (0.01 is 1%), nil where unmeasured.
    package var attention: [Double?]
    /// The same of the feed-forward blocks; as many layers.
    package var feedForward: [Double?]
    /// Whose shares the cells show; nil for none.
    package var plan: SparsityPlan?

    /// - Precondition: both lists have one entry for each layer.
    package init(
        title: String, attention: [Double?], feedForward: [Double?], plan: SparsityPlan? = nil
    ) {
        precondition(
            attention.count == feedForward.count,
            "heat map: \(attention.count) and \(feedForward.count) layers")
        self.title = title
        self.attention = attention
        self.feedForward = feedForward
        self.plan = plan
    }
}
