"""Meetings as an iCalendar, for the calendar of whoever was invited (RFC 5545)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from stackyard.alliance.state import Meeting


def calendar(meetings: Iterable[Meeting], stamp: str) -> bytes:
    """Meetings with a known day as all-day events; those of which only the month is known are left out.

    `stamp` is when the record was last added to, '2026-01-01T00:00:00Z'.

    >>> calendar([], "20260131T100000Z").splitlines()[0]
    b'BEGIN:VCALENDAR'
    """
    from icalendar import Calendar, Event

    made = Calendar()
    made.add("prodid", "-//Stackyard//alliance//EN")
    made.add("version", "2.0")
    when = datetime.fromisoformat(stamp.replace("Z", "+00:00")) if stamp else datetime(2000, 1, 1, tzinfo=UTC)
    for meeting in meetings:
        called = meeting.called
        if len(called.date) < 10:
            continue
        event = Event()
        first = date.fromisoformat(called.date)
        last = date.fromisoformat(called.end) if len(called.end) == 10 else first
        event.add("uid", f"{called.meeting}@stackyard")
        event.add("dtstamp", when)
        event.add("summary", called.name)
        event.add("dtstart", first)
        event.add("dtend", max(first, last) + timedelta(days=1))
        if called.place:
            event.add("location", called.place)
        said = [*called.agenda, *(meeting.held.decisions if meeting.held else ())]
        if said:
            event.add("description", "\n".join(said))
        made.add_component(event)
    return bytes(made.to_ical())
