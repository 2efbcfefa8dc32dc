"""The stream engine: produce once, log, fan out, resume.

It knows neither cache, ledger nor Flask: what a chunk looks like on the wire, and how the finished
answer is booked, is handed in with each `StreamPlan`.
"""
