"""A validation as one HTML page that needs nothing else: no network, no script, light, dark, on paper and on a phone.

The page is made of the report (schema ``ai-runner/validation/1``) and of nothing else, so that a run that has just
ended, a report file and a bundle give the same page.
"""
