"""Records that two systems keep alike: customers, employees; compared with what both last agreed on."""
