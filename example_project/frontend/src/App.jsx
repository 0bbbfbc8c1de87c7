import { useSocketStatus } from "django-socket-status/react";

const options = { interval: 2000 };

export function App() {
  const { totalSockets, socketsByType, connection, updatedAt } = useSocketStatus(options);
  if (updatedAt === null) return <main>Not known yet.</main>;
  return (
    <main>
      <h1>
        <span id="total">{totalSockets}</span> open, {connection}
      </h1>
      <ul>
        {Object.entries(socketsByType).map(([type, count]) => (
          <li key={type}>
            {type}: {count}
          </li>
        ))}
      </ul>
    </main>
  );
}
