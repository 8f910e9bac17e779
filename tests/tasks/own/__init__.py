"""Tests of tasks.own."""
